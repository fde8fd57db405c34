"""Average precision of detected faces, by faster-coco-eval."""

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from training.boxes.blending import overlaps
from training.boxes.detections import Detections
from training.records.record import Record
from training.samples.dataset import PictureDataset

COUNTED = 32.0
"""Shorter side in pixels from which a face counts in the figures."""


def face_ap(
    dataset: PictureDataset, indices: list[int], found: list[Detections], counted: float = COUNTED
) -> float:
    """Compute the average precision on some pictures of an dataset.

    Args:
        dataset: The pictures.
        indices: Places of the pictures that are judged.
        found: The detections of each.
        counted: Shorter side in pixels from which a face counts.

    Returns:
        AP at IoU 0.5, 0…1.
    """
    return average_precision([dataset.records[i] for i in indices], found, counted)


def average_precision(
    records: Sequence[Record], found: Sequence[Detections], counted: float = COUNTED
) -> float:
    """Compute the average precision of detected faces.

    AP is at IoU 0.5 over 101 recall points, for one class (COCO). Faces smaller than `counted` and
    ignore regions are neither asked for nor counted against a detection on them. A detection
    smaller than `counted` that meets no counted face is left out, too, so that a detector that
    finds more small faces is not worse.

    Args:
        records: The pictures.
        found: The detections of each.
        counted: Shorter side in pixels from which a face counts.

    Returns:
        AP, 0…1; 0 where nothing was found.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for number, (record, detections) in enumerate(zip(records, found, strict=True), 1):
        images.append({"id": number, "width": record.width, "height": record.height})
        goals = []
        for face in record.faces:
            x0, y0, x1, y1 = face.box
            aside = face.ignore or min(x1 - x0, y1 - y0) < counted
            if not aside:
                goals.append(face.box)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": (x1 - x0) * (y1 - y0),
                    "iscrowd": int(aside),
                }
            )
        if not len(detections.scores):
            continue
        sides = (detections.boxes[:, 2:] - detections.boxes[:, :2]).min(1)
        meets = (
            overlaps(detections.boxes, np.array(goals, np.float32).reshape(-1, 4)).max(1, initial=0)
            >= 0.5
        )
        for box, score, kept in zip(
            detections.boxes, detections.scores, (sides >= counted) | meets, strict=True
        ):
            if kept:
                x0, y0, x1, y1 = (float(v) for v in box)
                results.append(
                    {
                        "image_id": number,
                        "category_id": 1,
                        "bbox": [x0, y0, x1 - x0, y1 - y0],
                        "score": float(score),
                    }
                )
    if not results:
        return 0.0
    with redirect_stdout(io.StringIO()):
        truth = COCO(
            {
                "images": images,
                "annotations": annotations,
                "categories": [{"id": 1, "name": "face"}],
            }
        )
        judge = COCOeval_faster(truth, truth.loadRes(results), "bbox")
        judge.params.iouThrs = np.array([0.5])
        judge.params.areaRng, judge.params.areaRngLbl = [[0, 1e10]], ["all"]
        judge.params.maxDets = [200]
        judge.evaluate()
        judge.accumulate()
    precision = np.asarray(judge.eval["precision"])[0, :, 0, 0, 0]
    return float(precision[precision > -1].mean()) if (precision > -1).any() else 0.0
