"""Displacement: how far a part of the picture has moved since a reference frame."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.values import Box, Image

_SIDE = 40
"""Pixels of the reference patch. A face of 60 to 160 px is averaged down to it, which removes noise
and the blocks of JPEG."""

_BLUR = 1.0
"""Standard deviation of the blur of a patch in its pixels: the linear estimate holds within it."""

Reals = NDArray[np.float32]


class Reference:
    """A part of the first frame, with which later frames are compared.

    The movement is found by least squares on the gradients of the patch (Lucas and Kanade, An
    iterative image registration technique with an application to stereo vision, 1981): shift, size
    and turn, and beside them brightness and contrast, so that lamps that flicker are no movement.

    Args:
        image: The frame, u8 [H, W, 3].
        region: Its part; what lies outside the frame is left out.
        weights: Of each pixel of the patch, f32 [40, 40], 0…1; None where all count.
    """

    def __init__(self, image: Image, region: Box, weights: Reals | None = None) -> None:
        height, width = image.shape[:2]
        self._x0, self._y0 = max(0, round(region.x0)), max(0, round(region.y0))
        self._x1, self._y1 = min(width, round(region.x1)), min(height, round(region.y1))
        self._patch = self._cut(image)
        self._scale = max(self._x1 - self._x0, self._y1 - self._y0, 1) / _SIDE
        window = np.outer(np.hanning(_SIDE + 2)[1:-1], np.hanning(_SIDE + 2)[1:-1])
        used = (window if weights is None else weights).astype(np.float32)
        down, across = np.gradient(self._patch)
        ys, xs = (np.mgrid[0:_SIDE, 0:_SIDE] - (_SIDE - 1) / 2).astype(np.float32)
        columns = [
            across,
            down,
            (xs * across + ys * down) / (_SIDE / 2),
            (xs * down - ys * across) / (_SIDE / 2),
            self._patch,
            np.ones_like(self._patch),
        ]
        self._weights = np.sqrt(used).ravel()
        basis = np.stack([c.ravel() for c in columns], axis=1) * self._weights[:, None]
        normal = basis.T @ basis
        # A blank part has no gradients; the ridge then says that it did not move.
        ridge = np.eye(len(normal), dtype=np.float32) * (1e-4 * float(np.trace(normal)) / 6 + 1)
        self._solve = np.linalg.solve(normal + ridge, basis.T).astype(np.float32)

    def _cut(self, image: Image) -> Reals:
        part = image[self._y0 : self._y1, self._x0 : self._x1]
        small = cv2.resize(part, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
        return np.asarray(cv2.GaussianBlur(grey, (0, 0), _BLUR), np.float32)

    def movement(self, image: Image) -> Reals:
        """Return how the part has moved since the reference frame.

        Args:
            image: A later frame of the same size.

        Returns:
            f32 [4] in pixels of the frame: to the right, downwards, and by growth and turn at the
            middle of the part's edge.
        """
        change = (self._patch - self._cut(image)).ravel() * self._weights
        found = self._solve @ change
        return np.asarray(found[:4] * self._scale, np.float32)
