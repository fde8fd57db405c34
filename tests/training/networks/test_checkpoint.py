from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from tests.training.full_disk import under_limit
from training.errors import ConfigurationMismatchError, MissingCheckpointError
from training.networks.architectures import built, configuration_of
from training.networks.checkpoint import (
    CLASSIFIER,
    GENDER,
    begin_from,
    begin_trunk_from,
    load,
    save,
)
from training.networks.detector import FaceDetector


def test_a_checkpoint_of_another_configuration_is_refused_naming_what_differs(
    tmp_path: Path,
) -> None:
    save({"configuration": asdict(CLASSIFIER)}, tmp_path / "last.pt")
    assert load(tmp_path / "last.pt", CLASSIFIER)["configuration"]["size"] == CLASSIFIER.size
    with pytest.raises(ConfigurationMismatchError, match=r"size: 96 there, 64 here"):
        load(tmp_path / "last.pt", replace(CLASSIFIER, size=64))
    with pytest.raises(ConfigurationMismatchError, match="architecture: 'ours' there"):
        load(tmp_path / "last.pt", replace(CLASSIFIER, architecture="small-cnn"))


def test_a_checkpoint_from_before_a_field_was_there_holds_its_default(tmp_path: Path) -> None:
    older = asdict(CLASSIFIER)
    del older["architecture"]
    save({"configuration": older}, tmp_path / "last.pt")
    load(tmp_path / "last.pt", CLASSIFIER)


def test_no_checkpoint_and_a_torn_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingCheckpointError, match="train first"):
        load(tmp_path / "best.pt")
    (tmp_path / "best.pt").write_bytes(b"torn")
    with pytest.raises(MissingCheckpointError, match="no checkpoint of ours"):
        load(tmp_path / "best.pt")


SAVES = """
import sys
from pathlib import Path
import torch
from training.networks.checkpoint import save
from training.networks.detector import FaceDetector
from training.errors import StorageError
try:
    save({"configuration": {}, "n": 2, "weights": torch.zeros(100_000)}, Path(sys.argv[1]))
except StorageError as error:
    print(error)
"""


def test_a_full_disk_leaves_the_earlier_checkpoint_and_is_named(tmp_path: Path) -> None:
    save({"configuration": {}, "n": 1}, tmp_path / "best.pt")
    done = under_limit(SAVES, 100_000, str(tmp_path / "best.pt"))
    assert "the disk is full" in done.stdout, done.stderr
    assert "best.pt" in done.stdout
    assert load(tmp_path / "best.pt")["n"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["best.pt"]


def test_a_run_begins_from_the_weights_of_another_of_the_same_shape(tmp_path: Path) -> None:
    given, taker = torch.nn.Linear(2, 1), torch.nn.Linear(2, 1)
    state = {"configuration": {}, "average": given.state_dict(), "samples": 300}
    save(state | {"samples_before": 2000}, tmp_path / "best.pt")
    assert begin_from(taker, tmp_path) == 2300
    assert torch.equal(taker.weight, given.weight)
    with pytest.raises(ConfigurationMismatchError, match="another shape"):
        begin_from(torch.nn.Linear(3, 1), tmp_path)


@torch.no_grad()
def test_a_deeper_detector_begins_with_the_answers_of_the_one_that_it_begins_from(
    tmp_path: Path,
) -> None:
    given, deeper = FaceDetector(12).eval(), FaceDetector(12, depth=2).eval()
    pictures = torch.rand(1, 3, 64, 64)
    save({"configuration": {}, "average": given.state_dict()}, tmp_path / "best.pt")
    assert not torch.equal(deeper(pictures)[1], given(pictures)[1])
    begin_from(deeper, tmp_path)
    for here, there in zip(deeper(pictures), given(pictures), strict=True):
        torch.testing.assert_close(here, there)

    save({"configuration": {}, "average": deeper.state_dict()}, tmp_path / "best.pt")
    with pytest.raises(ConfigurationMismatchError, match="no deeper"):
        begin_from(given, tmp_path)


def test_what_deepens_a_detector_is_trained_with_it() -> None:
    deeper = FaceDetector(12, depth=1).train()
    logits, boxes = deeper(torch.rand(2, 3, 64, 64))
    (logits.sum() + boxes.sum()).backward()
    scales = [p for name, p in deeper.named_parameters() if name.startswith("deeper.")]
    assert len(scales) == 3 * 6 + 2 * 3 * 3
    assert sum(bool(p.grad.abs().sum() > 0) for p in scales if p.grad is not None) >= 9


def test_a_trunk_of_another_shape_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = built(configuration_of("mobilenetv2"))
    save({"configuration": asdict(GENDER), "average": other.state_dict()}, tmp_path / "best.pt")
    with pytest.raises(ConfigurationMismatchError, match="a trunk of another shape"):
        begin_trunk_from(built(GENDER, 2), tmp_path)
    ours = built(configuration_of("ours"))
    save({"configuration": asdict(GENDER), "average": ours.state_dict()}, tmp_path / "best.pt")
    head = built(GENDER, 2)
    begin_trunk_from(head, tmp_path)
    assert all(
        v.equal(head.state_dict()[k]) for k, v in ours.state_dict().items() if "features" in k
    )
