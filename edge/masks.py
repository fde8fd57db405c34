"""Frame + Faces → Labels."""

from collections.abc import Iterable

import numpy as np

from cloud.contract import Label
from edge.errors import ModelUnfitError
from edge.inference import Network
from edge.resizing import resize
from edge.values import Box, Face, Image, Judgement


def crop_box(box: Box, margin: float, height: int, width: int) -> tuple[int, int, int, int]:
    """The part of the picture that the classifier sees of a face.

    Square around the box's centre, side = the longer side × (1 + margin), cut off at the picture's
    border (docs/decisions/0001-model-contract.md). Edges are rounded to whole pixels.

    Args:
        box: The face.
        margin: 0 or more.
        height: Of the picture in pixels.
        width: Of the picture in pixels.

    Returns:
        (x0, y0, x1, y1), at least one pixel wide and high.
    """
    half = max(box.width, box.height) * (1 + margin) / 2
    across, down = box.centre
    x0 = min(max(0, round(across - half)), width - 1)
    y0 = min(max(0, round(down - half)), height - 1)
    x1 = max(min(width, round(across + half)), x0 + 1)
    y1 = max(min(height, round(down + half)), y0 + 1)
    return x0, y0, x1, y1


class MaskClassifier:
    """Says of each face whether it wears a mask, with the thresholds that the model file carries.

    Args:
        network: A classifier (docs/decisions/0001-model-contract.md).

    Raises:
        ModelUnfitError: Its labels are not those that the wire knows.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._threshold = network.info.fraction("confidence_threshold")
        self._margin = network.info.number("crop_margin")
        self.min_face_size = network.info.number("min_face_size")
        stretched = network.info.values.get("resize") == "stretch"
        self._size = network.info.size() if stretched else None
        names = network.info.text("labels").split()
        # A model of two classes knows no wrongly worn mask; with_mask and one other it must know.
        if not set(names) <= set(Label) or Label.WITH_MASK not in names or len(names) < 2:
            raise ModelUnfitError(
                f"classifier {network.info.path} knows the labels {names}; needed are"
                f" {[str(label) for label in Label]}, or with_mask and one other"
            )
        self._labels = [Label(name) for name in names]

    @property
    def digest(self) -> str:
        """SHA-256 of the model."""
        return self._network.digest

    def make_ready(self) -> None:
        """Compile now, and not when the first person is there."""
        width, height = self._size or (96, 96)
        if self._size:
            self._network.expect(height, width)
        self._network.infer(np.zeros((height, width, 3), np.uint8))

    def can_judge(self, face: Face) -> bool:
        """Whether the face is large enough for a judgement that counts at a door."""
        return face.box.shorter_side >= self.min_face_size

    def judge(self, image: Image, faces: Iterable[Face]) -> list[Judgement]:
        """Label faces, in the order given. Whether they are large enough is the caller's question.

        Raises:
            ModelUnfitError: The graph failed, or gave something else than probabilities.
        """
        return [self._judge_one(image, face) for face in faces]

    def _judge_one(self, image: Image, face: Face) -> Judgement:
        x0, y0, x1, y1 = crop_box(face.box, self._margin, *image.shape[:2])
        crop = image[y0:y1, x0:x1]
        if self._size:
            crop = resize(crop, *self._size)
        row = self._network.infer(crop)["probabilities"]
        # 16-bit weights leave a sum of three probabilities within a hundredth of 1.
        if row.shape != (len(self._labels),) or not abs(float(np.sum(row)) - 1.0) < 0.01:
            raise ModelUnfitError(
                f"classifier {self._network.info.path} gave {row.tolist()}, not"
                f" {len(self._labels)} probabilities"
            )
        clipped = np.clip(row, 0.0, 1.0)
        probabilities = dict.fromkeys(Label, 0.0)
        probabilities |= {label: float(p) for label, p in zip(self._labels, clipped, strict=True)}
        return Judgement(face, self._label(probabilities), probabilities)

    def _label(self, probabilities: dict[Label, float]) -> Label:
        if probabilities[Label.WITH_MASK] >= self._threshold:
            return Label.WITH_MASK
        without = probabilities[Label.WITHOUT_MASK]
        return (
            Label.WITHOUT_MASK
            if without >= probabilities[Label.INCORRECT_MASK]
            else Label.INCORRECT_MASK
        )
