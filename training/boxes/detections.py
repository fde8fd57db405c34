"""What a detector found in a picture, and non-maximum suppression."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from training.boxes.blending import Blend, blended
from training.boxes.duplicates import without_duplicates

Boxes = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Detections:
    """The faces that were found in one picture, most certain first.

    Attributes:
        boxes: x0, y0, x1, y1 in pixels of the picture, f32 [N, 4].
        scores: f32 [N], 0…1.
    """

    boxes: Boxes
    scores: np.ndarray[tuple[int], np.dtype[np.float32]]


def non_maximum_suppression(
    boxes: Boxes, scores: np.ndarray[tuple[int], np.dtype[np.float32]], least: float, overlap: float
) -> NDArray[np.int64]:
    """Keep the most certain of the boxes that overlap each other (greedy suppression).

    Args:
        boxes: Boxes [N, 4] in pixels, x0, y0, x1, y1.
        scores: Score of each box [N], 0…1.
        least: Least score of a box that is kept, 0…1.
        overlap: Largest IoU of two boxes that are both kept, 0…1.

    Returns:
        Places of the kept boxes, most certain first.
    """
    wide = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
    kept = cv2.dnn.NMSBoxes(wide.tolist(), scores.tolist(), least, overlap)
    return np.asarray(kept, np.int64).ravel()


def suppress(
    boxes: Boxes,
    scores: np.ndarray[tuple[int], np.dtype[np.float32]],
    least: float,
    overlap: float,
    blend: Blend | None = None,
    *,
    threshold: float = 1.0,
) -> Detections:
    """Return one box of each face: suppression, blending if asked, and no duplicates.

    Args:
        boxes: Boxes [N, 4] in pixels, x0, y0, x1, y1.
        scores: Score of each box [N], 0…1.
        least: Least score of a box that is kept, 0…1.
        overlap: Largest IoU of two boxes that are both kept, 0…1.
        blend: How a kept box is moved towards the boxes around it; None leaves it in place. Boxes
            that score less than `least` take part in the blending.
        threshold: Score from which a box is a face, 0…1: a face has one such box.

    Returns:
        The kept detections, most certain first.
    """
    sure = np.flatnonzero(scores >= least)
    kept = sure[non_maximum_suppression(boxes[sure], scores[sure], 0.0, overlap)]
    shown_at = blended(boxes[kept], boxes, scores, blend) if blend else boxes[kept]
    return one_box_each(Detections(shown_at, scores[kept]), threshold)


def one_box_each(found: Detections, threshold: float) -> Detections:
    """Leave one box of each face among the boxes that reach a threshold.

    Args:
        found: The detections after suppression, most certain first.
        threshold: Score from which a box is a face, 0…1.

    Returns:
        The kept detections; those under the threshold all stay.
    """
    certain = int((found.scores >= threshold).sum())
    stay = [*without_duplicates(found.boxes[:certain]), *range(certain, len(found.scores))]
    return Detections(found.boxes[stay], found.scores[stay])
