from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.contract import Label
from edge.errors import ModelUnfitError
from edge.inference.model_info import ModelInfo
from edge.inference.pending import Pending
from edge.loaded_models import LoadedModels
from edge.masks import MaskClassifier, crop_box
from edge.values import Box, Face
from tests.edge import standins

FACE = Face(Box(100, 60, 180, 140), 0.9)


@dataclass
class NetworkFake:
    """Answers with the row that it was given, and remembers what it saw."""

    row: list[float]
    info: ModelInfo = field(
        default_factory=lambda: ModelInfo(standins.INFO["classifier"], Path("fake.xml"))
    )
    seen: list[tuple[int, ...]] = field(default_factory=list)

    def start(self, batch: Any) -> Pending[list[dict[str, Any]]]:
        self.seen += [image.shape for image in batch]
        row = np.array(self.row, np.float32)
        return Pending(lambda: [{"probabilities": row} for _ in batch])


def judged(row: list[float], **info: str) -> Label:
    network = NetworkFake(row)
    network.info = ModelInfo(standins.INFO["classifier"] | info, Path("fake.xml"))
    classifier = MaskClassifier(network)  # type: ignore[arg-type]
    return classifier.judge(standins.picture(None), [FACE])[0].label


@pytest.mark.parametrize("label", list(Label))
def test_a_face_gets_the_label_of_its_colour(models: LoadedModels, label: Label) -> None:
    (judgement,) = models.classifier.judge(standins.picture(standins.COLOURS[label]), [FACE])
    assert judgement.label is label
    assert sum(judgement.probabilities.values()) == pytest.approx(1, abs=1e-4)
    assert judgement.confidence == judgement.probabilities[label]


def test_faces_are_judged_in_the_order_given(models: LoadedModels) -> None:
    image = standins.picture(standins.GREEN, box=(0, 0, 80, 80))
    image[100:180, 200:280] = standins.RED
    faces = [Face(Box(200, 100, 280, 180), 0.6), Face(Box(0, 0, 80, 80), 0.9)]
    labels = [j.label for j in models.classifier.judge(image, faces)]
    assert labels == [Label.WITHOUT_MASK, Label.WITH_MASK]


def test_crops_are_stretched_to_the_models_size_where_it_says_so() -> None:
    network = NetworkFake([0.9, 0.05, 0.05])
    info = standins.INFO["classifier"] | {"resize": "stretch", "input_size": "48 32"}
    network.info = ModelInfo(info, Path("fake.xml"))
    classifier = MaskClassifier(network)  # type: ignore[arg-type]
    classifier.judge(standins.picture(None), [FACE, Face(Box(0, 0, 30, 90), 0.9)])
    assert network.seen == [(32, 48, 3), (32, 48, 3)]


def test_a_size_without_meaning_is_refused_at_the_start() -> None:
    for said in ("96", "96 x", "0 96", ""):
        with pytest.raises(ModelUnfitError, match="input_size"):
            judged([1, 0, 0], resize="stretch", input_size=said)


def test_with_mask_needs_its_threshold() -> None:
    assert judged([0.7001, 0.2, 0.0999]) is Label.WITH_MASK
    assert judged([0.69, 0.20, 0.11]) is Label.WITHOUT_MASK
    assert judged([0.69, 0.11, 0.20]) is Label.INCORRECT_MASK


def test_the_order_of_the_columns_is_the_models_own() -> None:
    order = "incorrect_mask with_mask without_mask"
    assert judged([0.9, 0.05, 0.05], labels=order) is Label.INCORRECT_MASK
    assert judged([0.05, 0.9, 0.05], labels=order) is Label.WITH_MASK


def test_a_model_of_two_classes_never_says_the_third() -> None:
    network = NetworkFake([0.3, 0.7])
    info = standins.INFO["classifier"] | {"labels": "with_mask without_mask"}
    network.info = ModelInfo(info, Path("fake.xml"))
    classifier = MaskClassifier(network)  # type: ignore[arg-type]
    (judgement,) = classifier.judge(standins.picture(None), [FACE])
    assert judgement.label is Label.WITHOUT_MASK
    assert judgement.probabilities[Label.INCORRECT_MASK] == 0


def test_a_label_without_training_pictures_or_without_a_column_is_untested() -> None:
    def untested(**info: str) -> tuple[Label, ...]:
        network = NetworkFake([])
        network.info = ModelInfo(standins.INFO["classifier"] | info, Path("fake.xml"))
        return MaskClassifier(network).untested_labels  # type: ignore[arg-type]

    assert untested() == ()
    assert untested(untested_labels="incorrect_mask") == (Label.INCORRECT_MASK,)
    assert untested(labels="with_mask without_mask") == (Label.INCORRECT_MASK,)


@pytest.mark.parametrize(
    "labels", ["without_mask incorrect_mask", "with_mask", "mask no_mask wrong", ""]
)
def test_other_labels_are_refused_at_the_start(labels: str) -> None:
    with pytest.raises(ModelUnfitError, match="labels"):
        judged([1, 0, 0], labels=labels)


@pytest.mark.parametrize("row", [[0.5, 0.1, 0.1], [np.nan, 0, 1], [0.5, 0.5]])
def test_what_are_no_probabilities_is_an_error(row: list[float]) -> None:
    with pytest.raises(ModelUnfitError, match=r"fake\.xml"):
        judged(row)


def test_a_face_under_the_least_size_cannot_be_judged(models: LoadedModels) -> None:
    assert models.classifier.can_judge(Face(Box(0, 0, 24, 40), 0.9))
    assert not models.classifier.can_judge(Face(Box(0, 0, 23.9, 40), 0.9))


def test_the_crop_is_square_around_the_centre() -> None:
    assert crop_box(Box(100, 100, 140, 180), 0.25, 400, 400) == (70, 90, 170, 190)


def test_the_crop_is_cut_off_at_the_border() -> None:
    assert crop_box(Box(0, 0, 100, 100), 0.2, 90, 400) == (0, 0, 110, 90)


@given(
    x=st.floats(-50, 400),
    y=st.floats(-50, 400),
    width=st.floats(0.01, 500),
    height=st.floats(0.01, 500),
    margin=st.floats(0, 1),
)
def test_no_crop_is_empty_or_outside(
    x: float, y: float, width: float, height: float, margin: float
) -> None:
    x0, y0, x1, y1 = crop_box(Box(x, y, x + width, y + height), margin, 240, 320)
    assert 0 <= x0 < x1 <= 320
    assert 0 <= y0 < y1 <= 240


def test_faces_of_one_frame_are_judged_as_each_alone(
    shipped: LoadedModels,
) -> None:
    frame = np.random.default_rng(5).integers(0, 256, (240, 320, 3), np.uint8)
    faces = [Face(Box(10 * i, 5 * i, 60 + 25 * i, 70 + 20 * i), 0.9) for i in range(6)]
    together = shipped.classifier.judge(frame, faces)
    for face, judgement in zip(faces, together, strict=True):
        (alone,) = shipped.classifier.judge(frame, [face])
        assert judgement.face is face
        assert judgement.label is alone.label
        assert judgement.probabilities == pytest.approx(alone.probabilities, abs=1e-5)
    assert shipped.classifier.judge(frame, []) == []


def test_a_frame_may_change_once_its_faces_are_being_judged(models: LoadedModels) -> None:
    frame = standins.picture(standins.GREEN)
    pending = models.classifier.start(frame, [FACE])
    frame[:] = standins.RED
    assert pending.result()[0].label is Label.WITH_MASK
