"""Association: which face of a frame belongs to which track.

It has stages, after ByteTrack (Zhang et al., ByteTrack: multi-object tracking by associating every
detection box, 2022): certain boxes choose first, then the detector's other faces. Boxes below the
detector's threshold get the tracks that remain. The cost of a pair comes from the predicted place
and size, and from the appearance. An overlap of boxes is not needed: at 5 frames/s a walking face
moves by two face sizes between two frames.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from edge.tracking.motion import TOP_SPEED, Motion, measured
from edge.values import Box, Face

Reals = NDArray[np.float64]

MAX_COVER = 0.6
"""Share of the smaller box from which two boxes in one frame are one face. A detector in doubt
boxes a whole face and its upper half, and non-maximum suppression by IoU keeps both."""

_MAX_DISTANCE = 20.0
"""Squared Mahalanobis distance from which a box is not where the face was predicted."""

SURE_IOU = 0.5
"""Overlap with the predicted box from which a box may be the face, however quickly it changed."""

_NEAR = 0.5
"""Face sizes that a box may be from the last one, besides what a person walks in the time."""

_MAX_GROWTH = 0.5
"""Largest step of a size's logarithm: a face is 1.6 times as large, or as small."""

LOOK_WEIGHT = 4.0
"""Cost of a look that is 1 farther away (`Look.distance`), in squared standard deviations."""


def without_duplicates(faces: Iterable[Face]) -> list[Face]:
    """Keep one box of each face: the box with the highest score."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(face.box.cover(other.box) < MAX_COVER for other in kept):
            kept.append(face)
    return kept


def costs_of(motions: Sequence[Motion], boxes: Sequence[Box], now_s: float) -> Reals:
    """Return how badly each box fits each track; infinite where it cannot be the same face.

    Args:
        motions: Of the tracks, predicted for `now_s`.
        boxes: Of the faces in the frame.
        now_s: Time of the frame.

    Returns:
        f64 [boxes, tracks].
    """
    if not motions or not boxes:
        return np.full((len(boxes), len(motions)), math.inf)
    seen = np.array([measured(box) for box in boxes])[:, None]
    # A column for each track: its last box, its prediction, and how sure the prediction is.
    last, predicted = (np.array(rows) for rows in zip(*(m.states() for m in motions), strict=True))
    gaps_s = now_s - np.array([m.last_s for m in motions])
    place, growth = np.array([m.variances() for m in motions]).T
    last_size = np.exp(last[:, 2:].sum(-1) / 2)
    size = np.exp(predicted[:, 2:].sum(-1) / 2)
    moved = np.hypot(*np.moveaxis(seen[..., :2] - last[:, :2], -1, 0))
    grown = np.abs((seen[..., 2:] - last[:, 2:]).sum(-1)) / 2
    away = seen - predicted
    distance = (away[..., :2] ** 2).sum(-1) / (size**2 * place)
    distance += (away[..., 2:] ** 2).sum(-1) / growth
    possible = moved <= (_NEAR + TOP_SPEED * gaps_s) * last_size
    possible &= grown <= _MAX_GROWTH
    possible &= (distance <= _MAX_DISTANCE) | (_ious(seen, predicted) >= SURE_IOU)
    # A track that has not been seen for long fits everything; the logarithm is what that costs.
    return np.where(possible, distance + 2 * np.log(place), math.inf)


def _ious(some: Reals, others: Reals) -> Reals:
    """Return the intersections over union of boxes as `motion.measured` returns them."""
    some_sides, other_sides = np.exp(some[..., 2:]), np.exp(others[..., 2:])
    low = np.maximum(some[..., :2] - some_sides / 2, others[..., :2] - other_sides / 2)
    high = np.minimum(some[..., :2] + some_sides / 2, others[..., :2] + other_sides / 2)
    shared = np.clip(high - low, 0, None).prod(-1)
    return np.asarray(shared / (some_sides.prod(-1) + other_sides.prod(-1) - shared))


def assign(faces: Sequence[Face], certain: float, costs: Reals) -> dict[int, int]:
    """Assign faces to tracks: the cheapest pair first, and the certain faces before the others.

    Args:
        faces: Of the frame.
        certain: Least score of a certain face.
        costs: f64 [faces, tracks]; infinite for a pair that cannot be.

    Returns:
        The track's place by the face's.
    """
    found: dict[int, int] = {}
    taken: set[int] = set()
    pairs = sorted(
        (faces[i].score < certain, float(costs[i, j]), i, j)
        for i, j in np.argwhere(np.isfinite(costs)).tolist()
    )
    for _, _, i, j in pairs:
        if i not in found and j not in taken:
            found[i] = j
            taken.add(j)
    return found
