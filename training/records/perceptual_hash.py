"""Perceptual hashes: pictures that look alike differ in few bits."""

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image


def perceptual_hash(picture: Image.Image) -> int:
    """Return the 64-bit DCT hash of a picture (`imagehash.phash`)."""
    bits = imagehash.phash(picture.convert("L")).hash.ravel()
    return int(np.packbits(bits).view(">u8")[0])


def hamming_distances(hashes: NDArray[np.uint64], other: int) -> NDArray[np.uint8]:
    """Return the number of bits, 0…64, in which each of `hashes` [N] differs from `other`."""
    return np.asarray(np.bitwise_count(hashes ^ np.uint64(other)), np.uint8)
