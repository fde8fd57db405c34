"""Match detections with faces: one code for our models and the peers'."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.boxes.blending import overlaps
from training.boxes.detections import Boxes, Detections
from training.graphs.system import UNJUDGED, Floats, Prediction
from training.measuring.average_precision import COUNTED
from training.records.image_quality import brightness, grey_of, sharpness
from training.records.pictures import Pixels
from training.records.record import LABELS, FaceRecord, Record

MISSED = -1
"""In place of a label where no detection is on a face."""

MATCHED = 0.5
"""IoU from which a detection is on a face."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One labelled face and the verdict on it.

    Attributes:
        truth: Its label, as a place in LABELS.
        said: The label given to it; MISSED, or UNJUDGED where it was found and not judged.
        masked: The probability of with_mask, 0…1; NaN where there is none.
        side: Its shorter side in pixels.
        sharpness: Variance of the Laplacian of its box.
        brightness: Mean luma of its box, 0…255.
        source: The set that it is from.
        path: The picture's file.
        box: The face's box in the picture, x0, y0, x1, y1 in pixels.
    """

    truth: int
    said: int
    masked: float
    side: float
    sharpness: float
    brightness: float
    source: str
    path: str = ""
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    @property
    def right(self) -> bool:
        """Whether a masked face was said to be masked, or another was found and said not to be."""
        return self.said >= 0 and (self.said == 0) == (self.truth == 0)


def shorter_side(face: FaceRecord) -> float:
    """Return the shorter side of a face's box in pixels."""
    x0, y0, x1, y1 = face.box
    return min(x1 - x0, y1 - y0)


def is_counted(face: FaceRecord, least: float) -> bool:
    """Say whether a face is one that must be found."""
    return not face.ignore and shorter_side(face) >= least


def match_faces(faces: Boxes, found: Boxes) -> dict[int, int]:
    """Match faces with detections: each at most once, the greatest IoU first.

    Args:
        faces: Boxes [N, 4].
        found: Boxes of the detections [M, 4].

    Returns:
        The place of a face → the place of its detection.
    """
    if not len(faces) or not len(found):
        return {}
    shared = overlaps(faces, found)
    matched: dict[int, int] = {}
    taken: set[int] = set()
    for flat in np.argsort(-shared, axis=None, kind="stable"):
        face, detection = divmod(int(flat), shared.shape[1])
        if shared[face, detection] < MATCHED:
            break
        if face not in matched and detection not in taken:
            matched[face] = detection
            taken.add(detection)
    return matched


def outcomes(
    record: Record,
    picture: Pixels,
    prediction: Prediction,
    threshold: float,
    least: float = COUNTED,
) -> list[Outcome]:
    """Match the labelled faces of a picture with what a system predicted.

    Args:
        record: The picture's record.
        picture: BGR u8 [H, W, 3].
        prediction: The faces that the system found.
        threshold: Least score of a detection that counts.
        least: Shorter side in pixels from which a face counts.

    Returns:
        An outcome for each labelled face that counts.
    """
    faces = [f for f in record.faces if f.label is not None and is_counted(f, least)]
    if not faces:
        return []
    sure = prediction.faces.scores >= threshold
    matched = match_faces(
        np.array([f.box for f in faces], np.float32), prediction.faces.boxes[sure]
    )
    labels = prediction.labels[sure] if prediction.labels is not None else None
    masked = prediction.masked[sure] if prediction.masked is not None else None
    done = []
    for index, face in enumerate(faces):
        place = matched.get(index)
        said, likely = MISSED, float("nan")
        if place is not None:
            said = UNJUDGED if labels is None else int(labels[place])
            likely = float("nan") if masked is None or said == UNJUDGED else float(masked[place])
        x0, y0, x1, y1 = (round(v) for v in face.box)
        grey = grey_of(picture[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)])
        done.append(
            Outcome(
                LABELS.index(str(face.label)),
                said,
                likely,
                shorter_side(face),
                sharpness(grey),
                brightness(grey),
                record.set,
                record.path,
                face.box,
            )
        )
    return done


def match_detections(
    records: Sequence[Record], found: Sequence[Detections], least: float = COUNTED
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.int64], int]:
    """Match detections with faces, each face at most once, the highest score first.

    Detections on ignored regions or small faces, and small detections on no face, do not count.

    Args:
        records: The pictures.
        found: The detections of each.
        least: Shorter side in pixels from which a face counts.

    Returns:
        For each detection that counts its score, whether it is a face, and the place of its
        picture; and the number of faces.
    """
    scores: list[float] = []
    right: list[bool] = []
    places: list[int] = []
    faces = 0
    for place, (record, detections) in enumerate(zip(records, found, strict=True)):
        sure = [f.box for f in record.faces if is_counted(f, least)]
        aside = [f.box for f in record.faces if not is_counted(f, least)]
        faces += len(sure)
        met: set[int] = set()
        goals, others = (np.array(b, np.float32).reshape(-1, 4) for b in (sure, aside))
        for box, score in zip(detections.boxes, detections.scores, strict=True):
            shared = overlaps(box[None], goals)[0] if len(goals) else np.zeros(0, np.float32)
            shared[list(met)] = 0
            best = int(shared.argmax()) if len(shared) else -1
            hit = best >= 0 and shared[best] >= MATCHED
            if hit:
                met.add(best)
            elif min(box[2] - box[0], box[3] - box[1]) < least or (
                len(others) and covered(box, others) >= MATCHED
            ):
                continue
            scores.append(float(score))
            right.append(bool(hit))
            places.append(place)
    return (
        np.array(scores, np.float32),
        np.array(right, bool),
        np.array(places, np.int64),
        faces,
    )


def covered(box: Floats, others: Boxes) -> float:
    """Compute how much of a box lies within others.

    Args:
        box: [4].
        others: Boxes [N, 4], at least one.

    Returns:
        The largest share of the box that lies within one of the others, 0…1.
    """
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    inside = np.clip(high - low, 0, None).prod(-1)
    return float((inside / max(1e-6, float((box[2:] - box[:2]).prod()))).max())
