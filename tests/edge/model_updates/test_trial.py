"""The trial, in its own process, on good and bad models."""

import sys
from pathlib import Path

import openvino as ov
import openvino.opset13 as ops
import pytest

from edge.errors import ModelUpdateError
from edge.manifest import Role
from edge.model_updates import trial
from edge.model_updates.package import unpack
from edge.settings import MODELS_DIR
from tests.edge import standins
from tests.edge.model_updates.packages import model_files, package


def unpacked(folder: Path, files: dict[str, bytes]) -> Path:
    package(folder / "own.zip", files)
    unpack(folder / "own.zip", folder / "unpacked")
    return folder / "unpacked"


def of_another_architecture() -> ov.Model:
    image = ops.parameter([1, 3, 8, 8], ov.Type.f32, name="x")
    out = ops.relu(image)
    return ov.Model([out.output(0)], [image], "another")


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("garbage", "model_unfit"),
        ("altered", "model_altered"),
        ("label", "label_missing"),
        ("architecture", "model_unfit"),
    ],
)
def test_a_bad_model_is_named(tmp_path: Path, kind: str, problem: str) -> None:
    if kind == "architecture":
        files = model_files(tmp_path, of_another_architecture())
    elif kind == "label":
        files = model_files(tmp_path, standins.classifier(), labels="with_mask without_mask")
    else:
        files = model_files(tmp_path, standins.classifier())
    if kind == "garbage":
        files["own.xml"] = b"\x00garbage" * 50
    folder = unpacked(tmp_path, files)
    if kind == "altered":
        (folder / "own.bin").write_bytes(b"other")
    with pytest.raises(ModelUpdateError) as caught:
        trial.try_out(folder, Role.CLASSIFIER)
    assert caught.value.name == problem


def test_the_models_that_come_with_the_edge_pass() -> None:
    trial.try_out(MODELS_DIR, Role.DETECTOR)


def test_a_trial_that_crashes_or_takes_too_long_ends_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ModelUpdateError) as caught:
        trial.try_out(tmp_path, Role.CLASSIFIER, timeout_s=0.01)
    assert caught.value.name == "trial_timeout"
    killer = tmp_path / "python"
    killer.write_text("#!/bin/sh\nkill -SEGV $$\n")
    killer.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(killer))
    with pytest.raises(ModelUpdateError) as caught:
        trial.try_out(tmp_path, Role.CLASSIFIER)
    assert caught.value.name == "trial_crashed"
    assert "signal 11" in caught.value.problem
