"""Duplicates: two boxes of one face that non-maximum suppression keeps.

Of a close face a detector finds the whole and a part: the upper half, or the face without forehead
and chin. Their intersection over union is small, but the larger box covers most of the smaller one.
docs/decisions/0001-model-contract.md has the rule, because training counts faces by it, too.
"""

import numpy as np

from edge.values import FloatArray

MAX_COVER = 0.6
"""Share of the smaller box, 0…1, from which the larger one covers it. Of 4,282 labelled faces on
the 1,757 pictures of a training set, no two cover each other by more than 0.4."""

MIN_SHARE = 0.1
"""Share of the larger box's area, 0…1, under which a box within it is a face of its own: it belongs
to somebody who stands farther away, or to a child."""


def without_duplicates(boxes: FloatArray) -> list[int]:
    """Leave one box of each face.

    Args:
        boxes: f32 [N, 4], x0 y0 x1 y1, the surest first.

    Returns:
        The places of the boxes that stay, in their order: of two boxes of one face, the first.
    """
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=-1)
    smaller = np.maximum(np.minimum(areas[:, None], areas[None]), 1e-9)
    larger = np.maximum(np.maximum(areas[:, None], areas[None]), 1e-9)
    same = (shared / smaller >= MAX_COVER) & (smaller / larger >= MIN_SHARE)
    stay: list[int] = []
    for place in range(len(boxes)):
        if not same[place, stay].any():
            stay.append(place)
    return stay
