"""Measures by kept libraries: face AP by faster-coco-eval, and the suppression that the edge
applies before it.
"""

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from faster_coco_eval import COCO, COCOeval_faster
from numpy.typing import NDArray

from training.blending import BLEND, Blend, blended, overlaps
from training.datasets import Album
from training.detector import MULTIPLE, FaceDetector, anchor_points, decode
from training.layouts import Pixels
from training.records import Record
from training.resizing import canvas, letterboxed
from training.scenes import Boxes

MEAN, SCALE = 127.5, 127.5
"""Normalisation of both models: u8 values become -1…1."""

COUNTED = 32.0
"""Shorter side in pixels from which a face counts in the measures."""

_TOGETHER = 16
"""Pictures of one shape that are judged at once."""


def normalised(pictures: torch.Tensor) -> torch.Tensor:
    """u8 [B, H, W, 3] → f32 [B, 3, H, W], channels last in memory."""
    return ((pictures.permute(0, 3, 1, 2).float() - MEAN) / SCALE).contiguous(
        memory_format=torch.channels_last
    )


@dataclass(frozen=True, slots=True)
class Detections:
    """Boxes [N, 4] in pixels of the picture, scores [N], most certain first."""

    boxes: Boxes
    scores: np.ndarray[tuple[int], np.dtype[np.float32]]


def survivors(
    boxes: Boxes, scores: np.ndarray[tuple[int], np.dtype[np.float32]], least: float, overlap: float
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression: places of what scores at least `least`, most certain first,
    no two over `overlap` IoU.
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
) -> Detections:
    """What `survivors` leaves of boxes and scores, blended with those around where that is asked
    for: boxes that score less than `least` have a say, too.
    """
    sure = np.flatnonzero(scores >= least)
    kept = sure[survivors(boxes[sure], scores[sure], 0.0, overlap)]
    shown_at = blended(boxes[kept], boxes, scores, blend) if blend else boxes[kept]
    return Detections(shown_at, scores[kept])


@torch.no_grad()
def detect(
    model: FaceDetector,
    pictures: Sequence[Pixels],
    size: int,
    least: float = 0.02,
    overlap: float = 0.45,
    *,
    blend: Blend | None = BLEND,
) -> list[Detections]:
    """Faces of each picture, seen as the edge shows it to the exported model: longer side `size`,
    the shorter one filled up to a multiple of 32. Pictures of one shape go together.
    """
    model.eval()
    device = next(model.parameters()).device
    of_shape: dict[tuple[int, int], list[int]] = {}
    for place, picture in enumerate(pictures):
        shape = canvas(picture.shape[0], picture.shape[1], size, MULTIPLE)
        of_shape.setdefault(shape, []).append(place)
    found: dict[int, Detections] = {}
    for shape, places in of_shape.items():
        anchors = anchor_points(*shape)
        for start in range(0, len(places), _TOGETHER):
            batch = places[start : start + _TOGETHER]
            boxed = [letterboxed(pictures[place], size, MULTIPLE) for place in batch]
            seen = torch.from_numpy(np.stack([filled for filled, _ in boxed]))
            logits, raw = model(normalised(seen.to(device)))
            scores, boxes = logits.cpu().sigmoid().numpy(), decode(raw.cpu(), anchors).numpy()
            for place, (_, factors), s, b in zip(batch, boxed, scores, boxes, strict=True):
                height, width = pictures[place].shape[:2]
                # Cut off at the border, as the exported graph does.
                pixels = np.clip(b * np.tile(factors, 2), 0, (width, height) * 2)
                # Of the thousands of anchor points, those that anything is made of.
                floor = min(least, blend.score) if blend else least
                real = (s >= floor) & (pixels[:, 2:] > pixels[:, :2]).all(1)
                sure = pixels[real].astype(np.float32)
                found[place] = suppress(sure, s[real], least, overlap, blend)
    return [found[place] for place in range(len(pictures))]


def face_ap(
    album: Album, indices: list[int], found: list[Detections], counted: float = COUNTED
) -> float:
    """`average_precision` of some of an album's pictures."""
    return average_precision([album.records[i] for i in indices], found, counted)


def average_precision(
    records: Sequence[Record], found: Sequence[Detections], counted: float = COUNTED
) -> float:
    """AP at IoU 0.5, 101 recall points, one class. Faces smaller than `counted` and ignore regions
    are neither here nor there.

    A detection smaller than `counted` that meets no counted face is left out too, so that seeing
    more costs nothing.
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
