"""Appearance: the colours of hair, forehead and clothes, to tell two people in one place apart.

A look is a thumbnail of 12 x 8 pixels from the eyes up, and of 2 x 2 pixels of the chest. The lower
half of the face is left out, so that a mask changes nothing. It recognises nobody: it tells two
people apart who stand in one place within some seconds, and fails where both have like hair and
clothes. A look is never stored and never leaves the memory of this process.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from edge.values import Box, FloatArray, Image

SAME = 2.9
"""Distance of two looks up to which they may be one person. Looks of one person at different times
are 0.9 apart in the median and 2.4 at the 98th percentile, where light, tone curve, box and noise
differ more than between two frames; looks of two people are 3.4 apart at the 2nd percentile."""

DIFFERENT = 3.3
"""Distance from which one look alone speaks for another person."""

WALKING = 1.0
"""Speed in face sizes per second from which the place says more than the look: what is behind hair
and shoulders changes with each step, and nobody else is where a walker is expected."""

WALKING_ALLOWANCE = 6.0
"""What is added to these distances for somebody who walks."""

_HEAD = (-0.7, -0.85, 0.7, 0.0)
_CHEST = (-0.8, 1.05, 0.8, 2.0)
"""Parts around the middle of a face, x0 y0 x1 y1 in widths and heights of its box."""

_HEAD_SIZE, _HEAD_BLOCKS, _CHEST_SIZE = (12, 8), (4, 4), (2, 2)
"""Width and height in pixels."""

_HEAD_SCALE, _CHEST_SCALE, _PATTERN_SCALE = 12.0, 20.0, 0.4
"""Distances of one part that count 1 each: CIELAB units for colours, 1 - correlation for the
pattern. They are the 95th percentiles of one person's looks."""

_WITHOUT_CHEST = 1.45
"""Factor of a distance without chest: the sum of three parts over the sum of two."""

_MIN_INSIDE = 0.6
"""Share of the chest that must be within the frame."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a person looks like from the eyes up.

    Attributes:
        head: Colours, f32 [16, 3].
        pattern: Light and dark without its mean, f32 [96], of length 1.
        chest: Colours, f32 [4, 3]; None where the chest is not in the frame.
    """

    head: FloatArray
    pattern: FloatArray
    chest: FloatArray | None

    def distance(self, other: "Look") -> float:
        """Return how different two looks are; 0 for the same picture."""
        away = _apart(self.head, other.head) / _HEAD_SCALE
        away += (1.0 - float(self.pattern @ other.pattern)) / _PATTERN_SCALE
        if self.chest is None or other.chest is None:
            return away * _WITHOUT_CHEST
        return away + _apart(self.chest, other.chest) / _CHEST_SCALE

    def mixed(self, newer: "Look", share: float) -> "Look":
        """Return the weighted mean of this look and a newer one, which has this share, 0…1."""
        pattern = self.pattern * (1 - share) + newer.pattern * share
        if self.chest is None or newer.chest is None:
            chest = self.chest if newer.chest is None else newer.chest
        else:
            chest = self.chest * (1 - share) + newer.chest * share
        return Look(
            self.head * (1 - share) + newer.head * share,
            pattern / max(float(np.linalg.norm(pattern)), 1e-6),
            chest,
        )


Describe: TypeAlias = Callable[[Image, Box], Look | None]
"""Returns the look of the person with a face at this box."""


def look_of(image: Image, box: Box) -> Look | None:
    """Describe the person with a face at this box.

    Args:
        image: The frame.
        box: Of the face.

    Returns:
        The look; None where the head is not in the frame.
    """
    head, inside = _part(image, box, _HEAD)
    if head is None or inside < _MIN_INSIDE:
        return None
    small = cv2.resize(head, _HEAD_SIZE, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_BGR2LAB).astype(np.float32)
    light = lab[..., 0]
    mean = max(float(light.mean()), 1.0)
    pattern = (light - mean).ravel()
    chest, inside = _part(image, box, _CHEST)
    return Look(
        _colours(cv2.resize(lab, _HEAD_BLOCKS, interpolation=cv2.INTER_AREA), mean),
        pattern / max(float(np.linalg.norm(pattern)), 1e-6),
        None if chest is None or inside < _MIN_INSIDE else _chest_colours(chest, mean),
    )


def _chest_colours(chest: Image, mean: float) -> FloatArray:
    small = cv2.resize(chest, _CHEST_SIZE, interpolation=cv2.INTER_AREA)
    return _colours(cv2.cvtColor(small, cv2.COLOR_BGR2LAB).astype(np.float32), mean)


def _colours(lab: npt.NDArray[Any], mean: float) -> FloatArray:
    """Return colours relative to the mean lightness of the head: light changes at a door."""
    colours = lab.reshape(-1, 3)
    relative = np.empty_like(colours)
    relative[:, 0] = colours[:, 0] * (40.0 / mean)
    relative[:, 1:] = (colours[:, 1:] - 128.0) * (90.0 / mean)
    return relative


def _apart(one: FloatArray, other: FloatArray) -> float:
    away = one - other
    return float(np.sqrt(np.einsum("ij,ij->i", away, away)).mean())


def _part(
    image: Image, box: Box, part: tuple[float, float, float, float]
) -> tuple[Image | None, float]:
    """Return a part of the picture, and which share of it is within the frame."""
    x, y = box.centre
    high, wide = image.shape[:2]
    x0, x1 = x + part[0] * box.width, x + part[2] * box.width
    y0, y1 = y + part[1] * box.height, y + part[3] * box.height
    left, right = max(0, round(x0)), min(wide, round(x1))
    top, bottom = max(0, round(y0)), min(high, round(y1))
    if right - left < 2 or bottom - top < 2:
        return None, 0.0
    area = max((x1 - x0) * (y1 - y0), 1.0)
    return image[top:bottom, left:right], (right - left) * (bottom - top) / area
