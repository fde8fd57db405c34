"""Systems that see what the test says they see."""

import numpy as np

from tests.training.tiny import scene
from training.boxes.detections import Detections
from training.graphs.system import Prediction, System
from training.records.pictures import Pixels
from training.records.record import LABELS, FaceRecord, Record

Seen = list[tuple[tuple[float, float, float, float], float, int | None]]
"""Boxes with scores, and a label's place or None."""


def sight(seen: Seen) -> Prediction:
    """Of boxes, scores and, if the first has one, labels."""
    seen = sorted(seen, key=lambda s: -s[1])
    boxes = np.array([s[0] for s in seen], np.float32).reshape(-1, 4)
    faces = Detections(boxes, np.array([s[1] for s in seen], np.float32))
    if seen and seen[0][2] is None:
        return Prediction(faces)
    labels = np.array([s[2] for s in seen], np.int64)
    return Prediction(faces, labels, (labels == 0).astype(np.float32))


def oracle(seen: dict[bytes, Seen], threshold: float = 0.5) -> System:
    """Sees in each picture, known by its bytes, what it was told."""

    def find(picture: Pixels, least: float) -> Prediction:
        return sight([s for s in seen.get(picture.tobytes(), []) if s[1] >= least])

    return System("oracle", find, threshold, size="any", origin="a test")


def records(count: int) -> tuple[list[Record], list[Pixels]]:
    """Made-up pictures of two faces each, and their records."""
    rows, pictures = [], []
    for n in range(count):
        picture, faces = scene(n)
        boxes = tuple(FaceRecord(tuple(float(v) for v in b), label) for b, label in faces)  # type: ignore[arg-type]
        rows.append(
            Record("mine", f"{n}.png", f"mine/{n}", "validation", 160, 120, True, None, boxes)
        )
        pictures.append(np.asarray(picture, np.uint8))
    return rows, pictures


def truth(record: Record, score: float = 0.9) -> Seen:
    """What somebody who is never wrong would see."""
    return [(f.box, score, LABELS.index(str(f.label))) for f in record.faces]
