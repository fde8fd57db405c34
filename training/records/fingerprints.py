"""How a face looks to a machine: sharp or blurred, light or dark, and alike to which other."""

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 96
"""A face is brought to this side before its sharpness is measured: as large as the classifier sees
it, so that size does not count as sharpness.
"""

Grey = NDArray[np.uint8]


def grey_of(picture: NDArray[np.uint8]) -> Grey:
    """BGR u8 [H, W, 3] → u8 [H, W]."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def sharpness(face: Grey) -> float:
    """Variance of the Laplacian (Pech-Pacheco et al., Diatom autofocusing in brightfield
    microscopy, 2000) of a face u8 [H, W], at SIDE pixels.
    """
    shrink = cv2.INTER_AREA if max(face.shape) > SIDE else cv2.INTER_LINEAR
    same = cv2.resize(face, (SIDE, SIDE), interpolation=shrink)
    return float(cv2.Laplacian(same, cv2.CV_32F).var())


def brightness(face: Grey) -> float:
    """Mean grey of a face, 0…255."""
    return float(face.mean())


def perceptual_hash(picture: Image.Image) -> int:
    """64-bit DCT hash of a picture (imagehash.phash); alike pictures differ in few bits."""
    bits = imagehash.phash(picture.convert("L")).hash.ravel()
    return int(np.packbits(bits).view(">u8")[0])


def bits_apart(hashes: NDArray[np.uint64], other: int) -> NDArray[np.uint8]:
    """In how many bits each of `hashes` [N] differs from another."""
    return np.asarray(np.bitwise_count(hashes ^ np.uint64(other)), np.uint8)
