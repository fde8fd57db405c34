"""Mask classification: a frame and its faces go in, a label for each face comes out."""

from collections.abc import Iterable

import numpy as np

from cloud.contract import Label
from edge.errors import ModelUnfitError
from edge.inference.network import Network
from edge.inference.pending import Pending
from edge.resizing import resize
from edge.values import Box, Face, FloatArray, Image, Judgement


def crop_box(box: Box, margin: float, height: int, width: int) -> tuple[int, int, int, int]:
    """Return the part of the picture that the classifier sees of a face.

    It is a square around the box's centre with side = the longer side × (1 + margin), and ends at
    the picture's border (docs/decisions/0001-model-contract.md).

    Args:
        box: Of the face.
        margin: Share of the longer side that is added, 0 or more.
        height: Of the picture in pixels.
        width: Of the picture in pixels.

    Returns:
        (x0, y0, x1, y1) in whole pixels, at least one pixel wide and high.
    """
    half = max(box.width, box.height) * (1 + margin) / 2
    across, down = box.centre
    x0 = min(max(0, round(across - half)), width - 1)
    y0 = min(max(0, round(down - half)), height - 1)
    x1 = max(min(width, round(across + half)), x0 + 1)
    y1 = max(min(height, round(down + half)), y0 + 1)
    return x0, y0, x1, y1


class MaskClassifier:
    """Labels faces, with the thresholds that the model file names.

    Args:
        network: A mask classifier (docs/decisions/0001-model-contract.md).

    Attributes:
        min_face_size: Least shorter side in pixels of a face that counts at a door.
        untested_labels: Labels that the model does not know, or of which its training or its
            validation had no picture: what the model does with such faces is not known.

    Raises:
        ModelUnfitError: The model's labels are not the labels of the wire.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._threshold = network.info.fraction("confidence_threshold")
        self._margin = network.info.number("crop_margin")
        self.min_face_size = network.info.number("min_face_size")
        stretched = network.info.values.get("resize") == "stretch"
        self._size = network.info.size() if stretched else None
        names = network.info.text("labels").split()
        # A model of two classes lacks one label, but every model needs with_mask and one other.
        if not set(names) <= set(Label) or Label.WITH_MASK not in names or len(names) < 2:
            raise ModelUnfitError(
                f"classifier {network.info.path} has the labels {names}; it needs"
                f" {[str(label) for label in Label]}, or with_mask and one other"
            )
        self._labels = [Label(name) for name in names]
        stated = network.info.values.get("untested_labels", "").split()
        self.untested_labels = tuple(
            label for label in Label if label in stated or label not in self._labels
        )

    @property
    def digest(self) -> str:
        """The SHA-256 of the model."""
        return self._network.digest

    @property
    def precision(self) -> str:
        """The precision in which the device computes (`Network.precision`)."""
        return self._network.precision

    def make_ready(self) -> None:
        """Compile the model now, not when the first person stands at the door."""
        width, height = self._size or (96, 96)
        if self._size:
            self._network.expect(height, width)
        self._network.infer(np.zeros((height, width, 3), np.uint8))

    def can_judge(self, face: Face) -> bool:
        """Return whether the face is large enough for a judgement that counts at a door."""
        return face.box.shorter_side >= self.min_face_size

    def judge(self, image: Image, faces: Iterable[Face]) -> list[Judgement]:
        """Label faces of any size; `can_judge` says whether a face is large enough.

        Args:
            image: The frame.
            faces: In this frame.

        Returns:
            A judgement for each face, in the order of `faces`.

        Raises:
            ModelUnfitError: The graph failed, or returned something else than probabilities.
        """
        return self.start(image, faces).result()

    def start(self, image: Image, faces: Iterable[Face]) -> Pending[list[Judgement]]:
        """Begin to label faces, all at the same time.

        Args:
            image: The frame; it may change as soon as this function has returned.
            faces: In this frame.

        Returns:
            The judgements as `judge` returns them.

        Raises:
            ModelUnfitError: The graph failed. The answer raises it, too.
        """
        faces = list(faces)
        crops = [self._crop(image, face.box) for face in faces]
        if self._size and faces:
            pending = [self._network.start(np.stack(crops))]
        else:
            pending = [self._network.start(crop[np.newaxis]) for crop in crops]

        def finish() -> list[Judgement]:
            rows = [found["probabilities"] for answer in pending for found in answer.result()]
            return [self._judgement(face, row) for face, row in zip(faces, rows, strict=True)]

        return Pending(finish)

    def _crop(self, image: Image, box: Box) -> Image:
        x0, y0, x1, y1 = crop_box(box, self._margin, *image.shape[:2])
        crop = image[y0:y1, x0:x1]
        return resize(crop, *self._size) if self._size else crop.copy()

    def _judgement(self, face: Face, row: FloatArray) -> Judgement:
        # With 16-bit weights the sum of the probabilities may differ from 1 by up to 0.01.
        if row.shape != (len(self._labels),) or not abs(float(np.sum(row)) - 1.0) < 0.01:
            raise ModelUnfitError(
                f"classifier {self._network.info.path} returned {row.tolist()}, not"
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
