"""Association: which face of a frame belongs to which track.

It has two stages, after ByteTrack (Zhang et al., ByteTrack: multi-object tracking by associating
every detection box, 2022): certain boxes choose first, and faint boxes get the tracks that remain.
The cost of a pair comes from the predicted place and size, and from the appearance. An overlap of
boxes is not needed: at 5 frames/s a walking face moves by two face sizes between two frames.
"""

import math
from collections.abc import Iterable, Sequence

from edge.tracking.motion import TOP_SPEED, Motion
from edge.values import Box, Face

MAX_COVER = 0.6
"""Share of the smaller box from which two boxes in one frame are one face. A detector in doubt
boxes a whole face and its upper half, and non-maximum suppression by IoU keeps both."""

_MAX_DISTANCE = 20.0
"""Squared Mahalanobis distance from which a box is not where the face was predicted."""

_SURE_IOU = 0.5
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


def cost_of(motion: Motion, box: Box, now_s: float) -> float:
    """Return how badly a box fits a track; infinite if it cannot be the same face.

    Args:
        motion: Of the track, predicted for `now_s`.
        box: Of a face in the frame.
        now_s: Time of the frame.
    """
    last, gap_s = motion.last_box, now_s - motion.last_s
    size = math.sqrt(max(last.area, 1.0))
    (x, y), (was_x, was_y) = box.centre, last.centre
    if math.hypot(x - was_x, y - was_y) > (_NEAR + TOP_SPEED * gap_s) * size:
        return math.inf
    if abs(math.log(max(box.area, 1.0) / max(last.area, 1.0))) / 2 > _MAX_GROWTH:
        return math.inf
    distance, variance = motion.distance(box)
    if distance > _MAX_DISTANCE and box.iou(motion.box) < _SURE_IOU:
        return math.inf
    # A track that has not been seen for long fits everything; the logarithm is what that costs.
    return distance + 2 * math.log(variance)


def assign(
    faces: Sequence[Face], certain: float, costs: Sequence[Sequence[float]]
) -> dict[int, int]:
    """Assign faces to tracks: the cheapest pair first, and the certain faces before the others.

    Args:
        faces: Of the frame.
        certain: Least score of a certain face.
        costs: One row for each face, with one value for each track.

    Returns:
        The track's place by the face's.
    """
    found: dict[int, int] = {}
    taken: set[int] = set()
    for is_certain in (True, False):
        pairs = sorted(
            (cost, i, j)
            for i, row in enumerate(costs)
            if (faces[i].score >= certain) is is_certain
            for j, cost in enumerate(row)
            if cost < math.inf
        )
        for _, i, j in pairs:
            if i not in found and j not in taken:
                found[i] = j
                taken.add(j)
    return found
