"""Appearance: the colours of hair, forehead and clothes, to tell two people in one place apart.

A look is a thumbnail of 12 x 8 pixels from the eyes up, and of 2 x 2 pixels of the chest. The lower
half of the face is left out, so that a mask changes nothing. It recognises nobody: it tells two
people apart who stand in one place within some seconds, and fails where both have like hair and
clothes. A look is never stored and never leaves the memory of this process.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np

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

ALLOWANCE = 6.0
"""What is added to these distances for somebody who walks, or stands beside another face, and looks
like nobody else who is known."""

_HEAD = (-0.7, -0.85, 0.7, 0.0)
_CHEST = (-0.8, 1.05, 0.8, 2.0)
"""Parts around the middle of a face, x0 y0 x1 y1 in widths and heights of its box."""

_HEAD_SIZE, _HEAD_BLOCKS, _CHEST_SIZE = (12, 8), (4, 4), (2, 2)
"""Width and height in pixels."""

_HEAD_PIXELS, _HEAD_COLOURS, _CHEST_COLOURS = 96, 16, 4

_NEUTRAL = np.array([0.0, 128.0, 128.0], np.float32)
"""Black as OpenCV's CIELAB holds it in bytes."""

_COLOUR_FACTORS = np.array([40.0, 90.0, 90.0], np.float32)
"""Lightness and colours that a head of lightness 1 is brought to."""

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
        colours: Of the head and then of the chest, f32 [20, 3], or f32 [16, 3] where the chest is
            not in the frame. They are scaled so that the distances of all parts add up.
        pattern: Light and dark of the head without its mean, f32 [96], of length 1.
    """

    colours: FloatArray
    pattern: FloatArray

    def distance(self, other: "Look") -> float:
        """Return how different two looks are; 0 for the same picture."""
        shared = min(len(self.colours), len(other.colours))
        away = self.colours[:shared] - other.colours[:shared]
        apart = float(np.sqrt(np.einsum("ij,ij->i", away, away)).sum())
        apart += (1.0 - float(self.pattern @ other.pattern)) / _PATTERN_SCALE
        return apart if shared > _HEAD_COLOURS else apart * _WITHOUT_CHEST

    def mixed(self, newer: "Look", share: float) -> "Look":
        """Return the weighted mean of this look and a newer one, which has this share, 0…1."""
        shared = min(len(self.colours), len(newer.colours))
        colours = max(self.colours, newer.colours, key=len).copy()
        colours[:shared] = self.colours[:shared] * (1 - share) + newer.colours[:shared] * share
        pattern = self.pattern * (1 - share) + newer.pattern * share
        return Look(colours, pattern / max(math.sqrt(float(pattern @ pattern)), 1e-6))


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
    pixels = cv2.resize(head, _HEAD_SIZE, interpolation=cv2.INTER_AREA).reshape(1, -1, 3)
    chest, inside = _part(image, box, _CHEST)
    if chest is not None and inside >= _MIN_INSIDE:
        below = cv2.resize(chest, _CHEST_SIZE, interpolation=cv2.INTER_AREA).reshape(1, -1, 3)
        pixels = np.concatenate([pixels, below], axis=1)
    lab = cv2.cvtColor(pixels, cv2.COLOR_BGR2LAB)[0].astype(np.float32)
    light = lab[:_HEAD_PIXELS, 0]
    mean = max(float(light.sum()) / _HEAD_PIXELS, 1.0)
    pattern = light - mean
    width, height = _HEAD_SIZE
    blocks = cv2.resize(
        lab[:_HEAD_PIXELS].reshape(height, width, 3), _HEAD_BLOCKS, interpolation=cv2.INTER_AREA
    )
    colours = np.concatenate([blocks.reshape(-1, 3), lab[_HEAD_PIXELS:]])
    # Colours are relative to the mean lightness of the head: light changes at a door.
    colours -= _NEUTRAL
    colours *= _COLOUR_FACTORS / mean
    colours[:_HEAD_COLOURS] *= 1 / (_HEAD_SCALE * _HEAD_COLOURS)
    colours[_HEAD_COLOURS:] *= 1 / (_CHEST_SCALE * _CHEST_COLOURS)
    return Look(colours, pattern / max(math.sqrt(float(pattern @ pattern)), 1e-6))


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
