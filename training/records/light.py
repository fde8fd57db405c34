"""How a face was photographed: sharpness and brightness."""

import cv2
import numpy as np

from training.records.layouts import Pixels

_SIDE = 96
"""Faces are brought to one size first, or large ones would pass for blurred."""


def sharpness(crop: Pixels) -> float:
    """Variance of the Laplacian at 96 px: the usual measure of blur (Pech-Pacheco et al., "Diatom
    autofocusing in brightfield microscopy", 2000); under about 100 a face looks soft.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    shrink = cv2.INTER_AREA if max(grey.shape) > _SIDE else cv2.INTER_LINEAR
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=shrink)
    return float(cv2.Laplacian(small, cv2.CV_32F).var())


def brightness(crop: Pixels) -> float:
    """Mean luma, 0…255 (ITU-R BT.601, as OpenCV converts)."""
    return float(np.mean(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)))
