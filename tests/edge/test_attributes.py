from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cloud.contract import Label
from edge import loaded_models
from edge.attributes import GENDERS, MIN_BATCH, BatchedCounter, GenderCounter, GenderHead
from edge.errors import ModelMissingError, ModelUnfitError
from edge.inference.model_info import ModelInfo
from edge.settings import Attributes, Settings
from edge.values import Box, Frame, Verdict
from tests.edge import standins

NOW = datetime(2026, 1, 2, tzinfo=UTC)
INFO = standins.INFO["classifier"] | {
    "model_type": "gender_classifier",
    "labels": "male female",
    "input_size": "48 48",
    "min_face_size": "32",
}


@dataclass
class NetworkFake:
    row: list[float]
    info: ModelInfo = field(default_factory=lambda: ModelInfo(INFO, Path("gender.xml")))
    seen: list[tuple[int, ...]] = field(default_factory=list)

    def infer(self, image: Any) -> dict[str, Any]:
        self.seen.append(image.shape)
        return {"probabilities": np.array(self.row, np.float32)}


def head(network: NetworkFake) -> GenderHead:
    return GenderHead(network)  # type: ignore[arg-type]


def verdict(label: Label, side: int = 80) -> Verdict:
    return Verdict(label, 0.9, 5, NOW, NOW, 1, Box(50, 50, 50 + side, 50 + side))


FRAME = Frame(standins.picture(None), NOW)


def test_nothing_is_shown_before_a_whole_batch() -> None:
    tally = BatchedCounter(("a", "b"), batch=20)
    for _ in range(19):
        tally.add("a")
        assert tally.published() == {}
    tally.add("b")
    assert tally.published() == {"a": 19, "b": 1}


def test_no_two_sums_differ_by_less_than_a_batch() -> None:
    tally = BatchedCounter(GENDERS)
    seen = [0]
    for number in range(101):
        tally.add(GENDERS[number % 2])
        total = sum(tally.published().values())
        if total != seen[-1]:
            assert total - seen[-1] >= MIN_BATCH >= 20
            seen.append(total)
    assert seen == [0, 20, 40, 60, 80, 100]


def test_only_bare_faces_are_read_and_each_sighting_once() -> None:
    network = NetworkFake([0.2, 0.8])
    count = GenderCounter(head(network), BatchedCounter(GENDERS, batch=1))
    for label in (Label.WITH_MASK, Label.INCORRECT_MASK):
        count.count_verdict(FRAME, verdict(label))
    assert network.seen == []
    assert count.counts() == {}
    count.count_verdict(FRAME, verdict(Label.WITHOUT_MASK))
    assert network.seen == [(48, 48, 3)]
    assert count.counts() == {"gender": {"female": 1, "male": 0}}


def test_a_face_that_is_too_small_to_tell_is_not_counted() -> None:
    network = NetworkFake([0.8, 0.2])
    count = GenderCounter(head(network), BatchedCounter(GENDERS, batch=1))
    count.count_verdict(FRAME, verdict(Label.WITHOUT_MASK, side=31))
    assert count.counts() == {}
    count.count_verdict(FRAME, verdict(Label.WITHOUT_MASK, side=32))
    assert count.counts() == {"gender": {"female": 0, "male": 1}}


@pytest.mark.parametrize("row", [[0.5], [0.2, 0.3, 0.5], [np.nan, 0.5]])
def test_what_are_no_two_probabilities_is_an_error(row: list[float]) -> None:
    with pytest.raises(ModelUnfitError, match=r"gender\.xml"):
        head(NetworkFake(row)).read(FRAME.image, Box(0, 0, 90, 90))


def test_a_head_with_other_labels_is_refused() -> None:
    network = NetworkFake([0.5, 0.5])
    network.info = ModelInfo(INFO | {"labels": "young old"}, Path("gender.xml"))
    with pytest.raises(ModelUnfitError, match="young"):
        head(network)


def test_it_is_off_unless_asked_for_and_then_its_model_must_be_there(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.loaded_models.MODELS_DIR", models_dir)
    models = loaded_models.load(Settings())
    assert models.gender is None
    assert "gender" not in models.digests
    with pytest.raises(ModelMissingError, match=r"a gender head\. Export one with"):
        loaded_models.load(Settings(attributes=Attributes.GENDER))
