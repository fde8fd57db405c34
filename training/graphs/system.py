"""The system under test: a model that finds faces and, perhaps, says what they wear.

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
"""In place of a label where a face is found and not judged: too small, or nothing judges it."""

MOST_FACES = 300
"""The most faces of one picture, as at the edge."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The faces that a system finds in one picture, the highest score first.

    Attributes:
        faces: Boxes in pixels of the picture, and scores.
        labels: Indices into `LABELS` [N], or None where the system says nothing of masks.
        masked: Probability of with_mask, 0…1 [N]; None with `labels`.
    """

    faces: Detections
    labels: Integers | None = None
    masked: Floats | None = None


Find: TypeAlias = Callable[[Pixels, float], Prediction]
"""A picture (BGR u8) and a least score → the faces."""

Judge: TypeAlias = Callable[[Pixels, Boxes], tuple[Integers, Floats]]
"""A picture and boxes [N, 4] → labels [N] and probabilities of with_mask [N]."""


@dataclass(frozen=True, slots=True)
class System:
    """A detector with, perhaps, a classifier behind it.

    Attributes:
        name: For people.
        find: Finds faces.
        threshold: Least score of a face that counts, as the system is shipped.
        judge: Labels faces; None where `find` does, or nothing does.
        expect: Prepares for pictures of a height and width, in pixels.
        size: The size of its input, in words.
        origin: Its source and licence.
        precision: In which the processor computes, such as `f32`; empty where the runtime does not
            say.
    """

    name: str
    find: Find
    threshold: float
    judge: Judge | None = None
    expect: Callable[[int, int], None] = field(default=lambda _height, _width: None)
    size: str = ""
    origin: str = ""
    precision: str = ""

    def predict(self, picture: Pixels, least: float) -> Prediction:
        """Find faces, and label those whose score reaches the system's threshold.

        Args:
            picture: BGR u8 [H, W, 3].
            least: Score under which faces are left out.

        Returns:
            The faces; those under the threshold are UNJUDGED.
        """
        prediction = self.find(picture, least)
        if self.judge is None:
            return prediction
        sure = prediction.faces.scores >= self.threshold
        labels = np.full(len(sure), UNJUDGED, np.int64)
        masked = np.zeros(len(sure), np.float32)
        if sure.any():
            labels[sure], masked[sure] = self.judge(picture, prediction.faces.boxes[sure])
        return Prediction(prediction.faces, labels, masked)


def extent(picture: Pixels) -> Floats:
    """Return width, height, width, height of a picture: the largest x0 y0 x1 y1."""
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
    """Apply non-maximum suppression to raw boxes.

    Args:
        boxes: In pixels [N, 4].
        scores: Of each box [N].
        least: Score under which boxes are left out.
        overlap: IoU over which two boxes are one face.
        labels: Of each box; None where there are none.
        masked: Probability of with_mask of each box; None where there is none.

    Returns:
        The boxes that are left, with their labels and probabilities.
    """
    sure = np.flatnonzero(scores >= least)
    chosen = sure[non_maximum_suppression(boxes[sure], scores[sure], least, overlap)][:MOST_FACES]
    return Prediction(
        Detections(boxes[chosen], scores[chosen]),
        None if labels is None else labels[chosen],
        None if masked is None else masked[chosen],
    )
