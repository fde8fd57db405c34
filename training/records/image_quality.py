"""How well a camera shows a face: its sharpness and its brightness."""

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 96
"""Side in pixels to which a face is resized before its sharpness is measured.

The classifier sees a face in this size. With one size for all, a large face does not count as
blurred.
"""

Grey = NDArray[np.uint8]


def grey_of(picture: NDArray[np.uint8]) -> Grey:
    """Return the luma (ITU-R BT.601) u8 [H, W] of a picture u8 [H, W, 3] BGR."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)


def sharpness(face: Grey) -> float:
    """Measure how sharp a face is: the variance of its Laplacian at SIDE pixels.

    The measure is from Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", 2000.

    Args:
        face: Grey values u8 [H, W].

    Returns:
        The variance, 0 or more; a face under about 100 looks soft.
    """
    shrink = cv2.INTER_AREA if max(face.shape) > SIDE else cv2.INTER_LINEAR
    resized = cv2.resize(face, (SIDE, SIDE), interpolation=shrink)
    return float(cv2.Laplacian(resized, cv2.CV_32F).var())


def brightness(face: Grey) -> float:
    """Return the mean grey value of a face u8 [H, W], 0…255."""
    return float(face.mean())
