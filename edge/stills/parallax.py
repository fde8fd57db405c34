"""Parallax: what tells a head from a flat picture of one, however both move.

A flat thing that moves is seen through a homography. A head that turns is not: its nose shifts
against its outline, by about half the face's width times the sine of the turn.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.stills.displacement import Reals
from edge.values import Box, Image

_SIDE: Final = 40
"""Pixels of the patch of a face, as in `displacement`."""

_BLUR: Final = 1.0

_REACH: Final = 0.62
"""Half the side of the patch, as a share of the longer side of the face's box."""

_STEPS: Final = 5
"""Most steps of a registration. It begins with the last frame's, so two or three are usual."""

_CONVERGED: Final = 0.01
"""Shift of a step, in half sides of the patch, after which there is no other one: 0.2 pixels."""

_MOST_RESIDUE: Final = 0.12
"""Residue of a registration, as a share of the patch's contrast, above which it has failed. Turning
heads leave 0.02 to 0.06, pictures 0.01 to 0.03 (made sequences)."""


class ParallaxReference:
    """A face in its first frame, with which later frames are compared.

    The face is registered to its first frame by a homography (Gauss-Newton on grey values, as in
    Baker and Matthews, Lucas-Kanade 20 years on, 2004), with brightness, contrast and a slope of
    the light. What is left is compared with the picture of a shift of the face's middle, of which
    the part that a homography explains was taken away.

    Args:
        image: The frame, u8 [H, W, 3].
        box: Of the face.
    """

    def __init__(self, image: Image, box: Box) -> None:
        self.width = box.width
        self._centre = box.centre
        self._half = _REACH * max(box.width, box.height)
        self._place = np.eye(3)
        self._patch = self._cut(image, self._place)
        self._contrast = max(float(self._patch.std()), 1.0)
        ys, xs = (np.mgrid[0:_SIDE, 0:_SIDE] - (_SIDE - 1) / 2).astype(np.float32) / (_SIDE / 2)
        down, across = np.gradient(self._patch)
        across, down = across * (_SIDE / 2), down * (_SIDE / 2)
        radial = xs * across + ys * down
        plane = [across, down, xs * across, ys * across, xs * down, ys * down]
        tilt = [xs * radial, ys * radial]
        light = [self._patch - self._patch.mean(), np.ones_like(xs), xs, ys]
        self._weights = np.sqrt(np.clip(1.15 - xs * xs - ys * ys, 0, 1)).ravel()
        self._basis = self._weighted([*plane, *tilt, *light])
        normal = self._basis.T @ self._basis + np.eye(self._basis.shape[1])
        self._solve = np.linalg.solve(normal, self._basis.T).astype(np.float32)
        # The middle of a face is nearer than its outline; 0.9 and 1.1 reach from box to outline.
        u, v = (self._half / (size * 0.7) for size in (box.width, box.height))
        near = np.clip(1 - (u * xs) ** 2, 0, 1) * np.clip(1 - (v * ys) ** 2 / 2, 0, 1)
        shifts = self._weighted([near * across, near * down])
        shifts = shifts - self._basis @ (self._solve @ shifts)
        self._parallax = np.linalg.solve(shifts.T @ shifts + np.eye(2), shifts.T)

    def parallax(self, image: Image) -> float | None:
        """Return how far the middle of the face has shifted against its outline.

        Args:
            image: A later frame of the same size, soon after the last one.

        Returns:
            As a share of the face's width; None if the face cannot be registered any more.
        """
        for _ in range(_STEPS):
            error = self._error(image, self._place)
            step = self._solve @ error
            change = np.array(
                [
                    [1 + step[2], step[3], step[0]],
                    [step[4], 1 + step[5], step[1]],
                    [-step[6], -step[7], 1],
                ]
            )
            try:
                self._place = self._place @ np.linalg.inv(change)
            except np.linalg.LinAlgError:
                return None
            self._place /= self._place[2, 2]
            if float(np.abs(step[:2]).max()) < _CONVERGED:
                break
        error = self._error(image, self._place)
        residue = error - self._basis @ (self._solve @ error)
        if not float(np.sqrt(np.mean(residue**2))) < _MOST_RESIDUE * self._contrast:
            return None
        return float(np.hypot(*(self._parallax @ error))) * self._half / self.width

    def _weighted(self, pictures: list[Reals]) -> NDArray[np.float32]:
        columns = np.stack([picture.ravel() for picture in pictures], axis=1)
        return np.asarray(columns * self._weights[:, None], np.float32)

    def _error(self, image: Image, place: NDArray[np.float64]) -> NDArray[np.float32]:
        difference = self._cut(image, place) - self._patch
        return np.asarray(difference.ravel() * self._weights, np.float32)

    def _cut(self, image: Image, place: NDArray[np.float64]) -> Reals:
        """Return the patch of a frame at a place, f32 [40, 40]."""
        (x, y), half = self._centre, self._half
        in_frame = np.array([[half, 0, x], [0, half, y], [0, 0, 1]])
        # Several samples make one pixel of the patch: that removes noise.
        samples = min(4, max(1, round(2 * half / _SIDE)))
        side = _SIDE * samples
        unit = np.array([[2, 0, 1 - side], [0, 2, 1 - side], [0, 0, side]]) / side
        part = cv2.warpPerspective(
            image,
            in_frame @ place @ unit,
            (side, side),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        small = cv2.resize(part, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY).astype(np.float32)
        return np.asarray(cv2.GaussianBlur(grey, (0, 0), _BLUR), np.float32)
