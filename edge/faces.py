"""Frame → Faces."""

import cv2
import numpy as np

from edge.errors import ModelUnfitError
from edge.inference import Network
from edge.resizing import Letterbox
from edge.values import Box, Face, Image

MOST_FACES = 300
"""Kept of one picture; more than a camera at a door will ever see."""


class FaceDetector:
    """Finds faces, with the thresholds that the model file carries.

    Args:
        network: A detector (docs/decisions/0001-model-contract.md).

    Attributes:
        threshold: Score from which a box counts as a face.
        certain: Mean score from which a face that was followed is surely one; 0 where the file
            does not say.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self.threshold = network.info.fraction("confidence_threshold")
        says = "certain_threshold" in network.info.values
        self.certain = network.info.fraction("certain_threshold") if says else 0.0
        self._iou = network.info.fraction("iou_threshold")
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
        real = (scores >= least) & (extent > 0).all(axis=1)
        corners, extent, scores = corners[real], extent[real], scores[real].astype(np.float32)
        if not len(scores):
            return []
        kept = cv2.dnn.NMSBoxes(
            np.hstack([corners[:, :2], extent]).tolist(),
            scores.tolist(),
            score_threshold=0.0,  # the least score has been applied above
            nms_threshold=self._iou,
        )
        order = sorted((int(i) for i in kept), key=lambda i: (-float(scores[i]), i))
        return [
            Face(Box(*(float(side) for side in corners[i])), float(scores[i]))
            for i in order[:MOST_FACES]
        ]


def _letterbox(network: Network) -> Letterbox | None:
    """How pictures are made to fit before the graph sees them; None where it does that itself."""
    values = network.info.values
    if values.get("resize") != "fit":
        return None
    multiple = network.info.number("size_multiple") if "size_multiple" in values else 0
    return Letterbox(*network.info.size(), int(multiple))
