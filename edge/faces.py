"""Face detection: a frame goes in, its faces come out."""

from dataclasses import dataclass

import cv2
import numpy as np

from edge.duplicates import without_duplicates
from edge.errors import ModelUnfitError
from edge.inference.network import Arrays, Network
from edge.inference.pending import Pending
from edge.resizing import Letterbox
from edge.values import Box, Face, FloatArray, Image

MAX_FACES = 300
"""Most faces of one picture; a camera at a door never sees as many."""


class FaceDetector:
    """Finds faces, with the thresholds that the model file names.

    Args:
        network: A face detector (docs/decisions/0001-model-contract.md).

    Attributes:
        threshold: Least score of a face, 0…1.
        certain_threshold: Least mean score, 0…1, of a face that was followed over several frames;
            0 if the model file does not name it.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self.threshold = network.info.fraction("confidence_threshold")
        is_named = "certain_threshold" in network.info.values
        self.certain_threshold = network.info.fraction("certain_threshold") if is_named else 0.0
        self._iou = network.info.fraction("iou_threshold")
        self._blend = _blend(network)
        self._letterbox = _letterbox(network)

    @property
    def digest(self) -> str:
        """The SHA-256 of the model."""
        return self._network.digest

    @property
    def precision(self) -> str:
        """The precision in which the device computes (`Network.precision`)."""
        return self._network.precision

    def make_ready(self) -> None:
        """Compile the model now, for the 640×480 pixels that most cameras send."""
        self.expect(480, 640)

    def expect(self, height: int, width: int) -> None:
        """Compile the model for pictures of this size in pixels."""
        shape = self._letterbox.canvas_size(height, width) if self._letterbox else (height, width)
        self._network.expect(*shape)

    def detect(self, image: Image, *, min_score: float | None = None) -> list[Face]:
        """Find the faces of one picture.

        Args:
            image: Of any size.
            min_score: Least score of a face, 0…1; None for the model's own threshold.

        Returns:
            The faces, the highest score first; their boxes end at the picture's border.

        Raises:
            ModelUnfitError: The graph failed, or returned arrays of a wrong shape or values that
                are not finite.
        """
        return self.start(image, min_score=min_score).result()

    def start(self, image: Image, *, min_score: float | None = None) -> Pending[list[Face]]:
        """Begin to find the faces of one picture.

        Args:
            image: Of any size; it must not change until the answer is there.
            min_score: Least score of a face, 0…1; None for the model's own threshold.

        Returns:
            The faces as `detect` returns them.

        Raises:
            ModelUnfitError: The graph failed. The answer raises it, too.
        """
        least = self.threshold if min_score is None else min_score
        given = self._letterbox.fit(image) if self._letterbox else image
        height, width = image.shape[:2]
        return self._network.start(np.ascontiguousarray(given)[np.newaxis]).then(
            lambda found: self._faces(found[0], height, width, least)
        )

    def _faces(self, found: Arrays, height: int, width: int, least: float) -> list[Face]:
        boxes, scores = found["boxes"], found["scores"]
        if boxes.ndim != 2 or boxes.shape[1:] != (4,) or scores.shape != boxes.shape[:1]:
            raise ModelUnfitError(
                f"detector {self._network.info.path} returned boxes {boxes.shape}"
                f" and scores {scores.shape}; [N, 4] and [N] are needed"
            )
        if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
            raise ModelUnfitError(
                f"detector {self._network.info.path} returned values that are not finite"
            )
        if self._letterbox:
            scaled = self._letterbox.scaled_size(height, width)
            boxes = boxes * np.array([width / scaled[1], height / scaled[0]] * 2, np.float32)
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
        placed = corners[order]
        if self._blend:
            placed = blend_boxes(placed, corners, scores, self._blend.iou)
        # Fainter boxes are no faces yet, and a reader of all boxes may choose among them.
        certain = sum(float(scores[i]) >= self.threshold for i in order)
        return [
            Face(Box(*(float(side) for side in placed[i])), float(scores[order[i]]))
            for i in [*without_duplicates(placed[:certain]), *range(certain, len(order))]
        ]


@dataclass(frozen=True, slots=True)
class BlendThresholds:
    """The boxes that count for the average that places a face.

    Attributes:
        score: Least score of such a box, 0…1; it may be lower than the least score of a face.
        iou: Least overlap (intersection over union) with the kept box, 0…1.
    """

    score: float
    iou: float


def blend_boxes(kept: FloatArray, boxes: FloatArray, scores: FloatArray, iou: float) -> FloatArray:
    """Move each kept box to the mean of the boxes around it, weighted by their scores.

    Several anchor points find one face, each at a slightly different place. Their mean is nearer to
    the face than the best of them, and moves less from frame to frame. This is box voting (Gidaris
    and Komodakis, Object detection via a multi-region and semantic segmentation-aware CNN model,
    2015), called blending in BlazeFace (Bazarevsky et al., 2019).

    Args:
        kept: f32 [K, 4], x0 y0 x1 y1; each is one of `boxes`.
        boxes: f32 [N, 4].
        scores: f32 [N], above 0.
        iou: Least overlap of a box that counts for the mean, 0…1.

    Returns:
        f32 [K, 4], in the order of `kept`.
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
    """Return the letterbox for this model; None if its graph resizes pictures itself."""
    values = network.info.values
    if values.get("resize") != "fit":
        return None
    multiple = network.info.number("size_multiple") if "size_multiple" in values else 0
    return Letterbox(*network.info.size(), int(multiple))
