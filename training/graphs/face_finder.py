"""Finds faces in pictures with a detector in the edge's own format."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.boxes.blending import blend_of
from training.boxes.detections import suppress
from training.errors import UnfitModelError
from training.graphs.inference import Network
from training.records.pictures import Pixels

SHIPPED = Path(__file__).resolve().parents[2] / "edge" / "models" / "face-detector.xml"
"""The face detector that comes with the edge."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face in a picture.

    Attributes:
        box: x0, y0, x1, y1 in pixels, cut off at the picture's border.
        score: 0…1.
    """

    box: tuple[float, float, float, float]
    score: float

    @property
    def side(self) -> float:
        """The shorter side in pixels."""
        return min(self.box[2] - self.box[0], self.box[3] - self.box[1])


class FaceFinder:
    """Finds faces as the edge does, at the thresholds that the model file carries.

    Args:
        path: The detector's IR.

    Raises:
        MissingModelError: The file is not there.
        UnfitModelError: The file is no face detector.
    """

    def __init__(self, path: Path = SHIPPED) -> None:
        self._network = Network(path)
        info = self._network.info
        try:
            self._least = float(info["confidence_threshold"])
            self._overlap = float(info["iou_threshold"])
            self._blend = blend_of(info)
        except (KeyError, ValueError) as error:
            raise UnfitModelError(
                f"{path} is no face detector of ours: model_info says nothing of {error}; name "
                "another with --detector"
            ) from error

    def find(self, picture: Pixels) -> list[Face]:
        """Find the faces of a picture.

        Args:
            picture: BGR u8 [H, W, 3].

        Returns:
            The faces, the largest first.

        Raises:
            UnfitModelError: The model fails, or gives no boxes and scores.
        """
        answer = self._network.infer(np.ascontiguousarray(picture)[np.newaxis])
        if not {"boxes", "scores"} <= set(answer):
            raise UnfitModelError(
                f"{self._network.path} gives {sorted(answer)}, not boxes and scores; "
                "name another with --detector"
            )
        found = {name: answer[name][0].astype(np.float32) for name in ("boxes", "scores")}
        height, width = picture.shape[:2]
        limits = np.array([width, height, width, height], np.float32)
        boxes = np.clip(found["boxes"], 0, limits).astype(np.float32)
        real = ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(1)
        if not real.any():
            return []
        kept = suppress(
            boxes[real],
            found["scores"][real],
            self._least,
            self._overlap,
            self._blend,
            threshold=self._least,
        )
        faces = [
            Face((float(b[0]), float(b[1]), float(b[2]), float(b[3])), float(s))
            for b, s in zip(kept.boxes, kept.scores, strict=True)
        ]
        return sorted(faces, key=lambda f: -f.side)
