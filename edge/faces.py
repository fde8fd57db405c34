"""Frame → Faces."""

from dataclasses import dataclass

import cv2
import numpy as np

from edge.errors import ModelUnfitError
from edge.inference import Network
from edge.resizing import Letterbox
from edge.values import Box, Face, FloatArray, Image

MAX_FACES = 300
"""Kept of one picture; more than a camera at a door will ever see."""


class FaceDetector:
    """Finds faces, with the thresholds that the model file carries.

    Args:
        network: A detector (docs/decisions/0001-model-contract.md).

    Attributes:
        threshold: Least score of a face, 0…1.
        certain_threshold: Least mean score, 0…1, of a face that was followed over several frames;
            0 if the model file does not name it.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self.threshold = network.info.fraction("confidence_threshold")
        says = "certain_threshold" in network.info.values
        self.certain_threshold = network.info.fraction("certain_threshold") if says else 0.0
        self._iou = network.info.fraction("iou_threshold")
        self._blend = _blend(network)
        self._letterbox = _letterbox(network)

    @property
    def digest(self) -> str:
        """SHA-256 of the model."""
        return self._network.digest

    def expect(self, height: int, width: int) -> None:
        """Make ready for pictures of this size, in pixels."""
        shape = self._letterbox.canvas(height, width) if self._letterbox else (height, width)
        self._network.expect(*shape)

    def detect(self, image: Image, *, min_score: float | None = None) -> list[Face]:
        """Find the faces of one picture.

        Args:
            image: Any size.
            min_score: Least score, 0…1; by default the model's own threshold.

        Returns:
            Most certain first, boxes cut off at the picture's border.

        Raises:
            ModelUnfitError: The graph failed, or gave arrays of another shape or without meaning.
        """
        least = self.threshold if min_score is None else min_score
        given = self._letterbox.fit(image) if self._letterbox else image
        found = self._network.infer(given)
        boxes, scores = found["boxes"], found["scores"]
        if boxes.ndim != 2 or boxes.shape[1:] != (4,) or scores.shape != boxes.shape[:1]:
            raise ModelUnfitError(
                f"detector {self._network.info.path} gave boxes {boxes.shape}"
                f" and scores {scores.shape}; [N, 4] and [N] are needed"
            )
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise ModelUnfitError(
                f"detector {self._network.info.path} gave numbers that are not finite"
            )
        height, width = image.shape[:2]
        if self._letterbox:
            shown = self._letterbox.shown(height, width)
            boxes = boxes * np.array([width / shown[1], height / shown[0]] * 2, np.float32)
        corners = np.clip(boxes, 0, [width, height, width, height]).astype(np.float32)
        extent = corners[:, 2:] - corners[:, :2]
        floor = min(least, self._blend.score) if self._blend else least
        real = (scores >= floor) & (extent > 0).all(axis=1)
        corners, extent, scores = corners[real], extent[real], scores[real].astype(np.float32)
        sure = np.flatnonzero(scores >= least)
        if not len(sure):
            return []
        kept = cv2.dnn.NMSBoxes(
            np.hstack([corners[sure, :2], extent[sure]]).tolist(),
            scores[sure].tolist(),
            score_threshold=0.0,  # the least score has been applied above
            nms_threshold=self._iou,
        )
        order = sorted((int(sure[i]) for i in kept), key=lambda i: (-float(scores[i]), i))
        order = order[:MAX_FACES]
        shown_at = corners[order]
        if self._blend:
            shown_at = blend_boxes(shown_at, corners, scores, self._blend.iou)
        return [
            Face(Box(*(float(side) for side in box)), float(scores[i]))
            for box, i in zip(shown_at, order, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class BlendThresholds:
    """Which boxes have a say in the place of a face.

    Args:
        score: Least score of such a box, 0…1; it may be less than a face's own.
        iou: Least overlap (intersection over union) with the box that was kept, 0…1.
    """

    score: float
    iou: float


def blend_boxes(kept: FloatArray, boxes: FloatArray, scores: FloatArray, iou: float) -> FloatArray:
    """Return kept boxes, each moved to the mean of the boxes around it, weighted by their scores.

    Several anchor points see one face, each a little otherwise; their mean errs less than the
    surest, and trembles less from frame to frame (box voting: Gidaris and Komodakis, Object
    detection via a multi-region and semantic segmentation-aware CNN model, 2015;
    blending in BlazeFace, Bazarevsky et al., 2019, under post-processing).

    Args:
        kept: f32 [K, 4], x0 y0 x1 y1; each of them one of the boxes.
        boxes: f32 [N, 4].
        scores: f32 [N], above 0.
        iou: Least overlap of a box that has a say.

    Returns:
        f32 [K, 4].
    """
    low = np.maximum(kept[:, None, :2], boxes[None, :, :2])
    high = np.minimum(kept[:, None, 2:], boxes[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=-1)
    own = (kept[:, 2:] - kept[:, :2]).prod(axis=-1)
    overlap = shared / (own[:, None] + areas[None] - shared)
    weights = np.where(overlap >= iou, scores[None], 0.0)
    # With a threshold of exactly 1, rounding could leave a box without itself.
    moved = weights @ boxes / np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    return np.where(weights.any(axis=1, keepdims=True), moved, kept).astype(np.float32)


def _blend(network: Network) -> BlendThresholds | None:
    """How boxes are blend_boxes; None where the model does not ask for it."""
    if "blend_iou_threshold" not in network.info.values:
        return None
    score = (
        network.info.fraction("blend_score_threshold")
        if "blend_score_threshold" in network.info.values
        else network.info.fraction("confidence_threshold")
    )
    return BlendThresholds(score, network.info.fraction("blend_iou_threshold"))


def _letterbox(network: Network) -> Letterbox | None:
    """How pictures are made to fit before the graph sees them; None where it does that itself."""
    values = network.info.values
    if values.get("resize") != "fit":
        return None
    multiple = network.info.number("size_multiple") if "size_multiple" in values else 0
    return Letterbox(*network.info.size(), int(multiple))
