"""Duplicates: two boxes of one face that non-maximum suppression keeps.

The edge leaves one of them by the same rule (docs/decisions/0001-model-contract.md); the code
stands twice, because edge and training share no Python.
"""

import numpy as np
from numpy.typing import NDArray

MAX_COVER = 0.6
"""Share of the smaller box, 0…1, from which the larger one covers it."""

MIN_SHARE = 0.1
"""Share of the larger box's area, 0…1, under which a box within it is a face of its own."""


def without_duplicates(boxes: NDArray[np.float32]) -> list[int]:
    """Leave one box of each face.

    Args:
        boxes: f32 [N, 4], x0 y0 x1 y1, the most certain first.

    Returns:
        The places of the boxes that stay, in their order: of two boxes of one face, the first.
    """
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    smaller = np.maximum(np.minimum(areas[:, None], areas[None]), 1e-9)
    larger = np.maximum(np.maximum(areas[:, None], areas[None]), 1e-9)
    same = (shared / smaller >= MAX_COVER) & (smaller / larger >= MIN_SHARE)
    stay: list[int] = []
    for place in range(len(boxes)):
        if not same[place, stay].any():
            stay.append(place)
    return stay
