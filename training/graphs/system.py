"""What is measured: anything that finds faces in a picture and, where it can, says what they wear.

Ours and the peers' are all brought to this one form, so that one matching code judges them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from training.boxes.detections import Boxes, Detections, non_maximum_suppression
from training.records.pictures import Pixels

Floats: TypeAlias = NDArray[np.float32]
Integers: TypeAlias = NDArray[np.int64]

UNJUDGED = -2
"""In place of a label where a face is found and not judged: too small, or nobody there to judge."""

MOST_FACES = 300
"""Kept of one picture, as at the edge."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The faces of one picture, most certain first.

    Attributes:
        faces: Boxes in pixels of the picture and scores.
        labels: Indices into `LABELS` [N], or None where the finder says nothing of masks.
        masked: How likely each wears a mask rightly, 0…1 [N]; None with `labels`.
    """

    faces: Detections
    labels: Integers | None = None
    masked: Floats | None = None


Find: TypeAlias = Callable[[Pixels, float], Prediction]
"""A picture (u8 BGR) and a least score → what is seen."""

Judge: TypeAlias = Callable[[Pixels, Boxes], tuple[Integers, Floats]]
"""A picture and boxes [N, 4] → labels [N] and how likely each is with_mask [N]."""


@dataclass(frozen=True, slots=True)
class System:
    """A detector with, perhaps, a classifier behind it.

    Attributes:
        name: For people.
        find: Sees faces.
        threshold: Least score of a face that counts, as the system is shipped.
        judge: Labels faces; None where `find` does it, or nobody.
        expect: Makes ready for pictures of (height, width).
        size: The input that it sees, in words.
        origin: Where it is from, and its licence.
    """

    name: str
    find: Find
    threshold: float
    judge: Judge | None = None
    expect: Callable[[int, int], None] = field(default=lambda _height, _width: None)
    size: str = ""
    origin: str = ""

    def predict(self, picture: Pixels, least: float) -> Prediction:
        """Faces from a least score on; those that are sure enough to count are judged, the others
        are UNJUDGED.
        """
        sight = self.find(picture, least)
        if self.judge is None:
            return sight
        sure = sight.faces.scores >= self.threshold
        labels = np.full(len(sure), UNJUDGED, np.int64)
        masked = np.zeros(len(sure), np.float32)
        if sure.any():
            labels[sure], masked[sure] = self.judge(picture, sight.faces.boxes[sure])
        return Prediction(sight.faces, labels, masked)


def extent(picture: Pixels) -> Floats:
    """Width, height, width, height: the largest x0 y0 x1 y1 of a picture."""
    height, width = picture.shape[:2]
    return np.array([width, height, width, height], np.float32)


def prediction_of(
    boxes: Boxes,
    scores: Floats,
    *,
    least: float,
    overlap: float,
    labels: Integers | None = None,
    masked: Floats | None = None,
) -> Prediction:
    """Raw boxes [N, 4] in pixels after non-maximum suppression, with the labels that belong to
    those that are left.
    """
    sure = np.flatnonzero(scores >= least)
    chosen = sure[non_maximum_suppression(boxes[sure], scores[sure], least, overlap)][:MOST_FACES]
    return Prediction(
        Detections(boxes[chosen], scores[chosen]),
        None if labels is None else labels[chosen],
        None if masked is None else masked[chosen],
    )
