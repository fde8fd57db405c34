"""A user's own pictures in, own models out, in the commands of docs/models.md."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.tiny import write_classes, write_coco
from training.__main__ import app
from training.errors import (
    ExistingRunError,
    MissingCheckpointError,
    MissingDataError,
    TrainingError,
)
from training.networks.run_summary import read_summary

ROOT = Path(__file__).parents[3]


def test_own_pictures_become_own_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_coco(tmp_path / "mine", 40)

    def training(*arguments: str) -> str:
        capsys.readouterr()
        app([*arguments], standalone_mode=False)
        return capsys.readouterr().out

    training("prepare", "--data", "mine")
    small = ("--data", "mine", "--workers", "0", "--batch", "4", "--minutes", "0.03")
    training("train", "detector", *small, "--size", "96")
    spent = json.loads(Path("var/training/detector/history.json").read_text())[-1]["minutes"]
    training("train", "detector", *small[:-1], str(spent + 0.02), "--size", "96", "--resume")
    training("train", "classifier", *small, "--size", "48")
    classifier = read_summary(Path("var/training/classifier"))
    assert classifier is not None
    assert classifier.began_from == "shipped"
    assert classifier.missing_classes == ()
    assert Path("var/training/classifier").resolve().name == "classifier-1"
    assert Path("var/training/classifier/samples.png").is_file()
    with pytest.raises(ExistingRunError, match="holds a run"):
        training("train", "classifier", *small, "--run", "var/training/classifier")
    # Seconds of training find no face; what evaluate would choose is written by hand.
    written = {
        "detector": {"threshold": 0.4, "certain": 0.6},
        "classifier": {"threshold": 0.6, "temperature": 1.1},
    }
    for kind, chosen in written.items():
        (tmp_path / f"var/training/{kind}/figures.json").write_text(json.dumps(chosen))
    training("export", "--out", "models", "--card", "card.md", "--accept-risk", "--onnx")
    manifest = json.loads((tmp_path / "models/manifest.json").read_text())
    assert [m["role"] for m in manifest["models"]] == ["detector", "classifier"]
    assert {p.name for p in Path("models").glob("*.onnx")} == {
        n for m in manifest["models"] for n in m["onnx"]
    }
    assert manifest["models"][0]["thresholds"] == {
        "confidence": 0.4,
        "certain": 0.6,
        "iou": 0.45,
        "blend_iou": 0.45,
        "blend_score": 0.05,
    }
    assert manifest["models"][0]["trained_on"][0]["licence"] == "a set of your own"
    assert "| mine |" in (tmp_path / "card.md").read_text()

    assert (
        json.loads(training("evaluate", "classifier", "--run", "var/training/classifier"))["faces"]
        > 0
    )
    assert {"confusion.png", "pr.png"} <= {
        p.name for p in Path("var/training/classifier").iterdir()
    }
    write_classes(tmp_path / "folders", 3)
    told = json.loads(training("evaluate", "classifier", "--data", "folders", "--models", "models"))
    assert told["faces"] == 9


@pytest.mark.parametrize(
    ("command", "error", "said"),
    [
        (("train", "detector", "--minutes", "0.01"), MissingDataError, "training prepare"),
        (("evaluate", "detector"), MissingCheckpointError, "train first"),
        (("export",), TrainingError, "training prepare"),
    ],
)
def test_a_step_that_was_left_out_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    error: type[Exception],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=said):
        app([*command], standalone_mode=False)


def test_an_error_of_ours_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "training", "prepare", "--data", "nowhere"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "COLUMNS": "200", "MPLCONFIGDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 1
    assert "MissingDataError: nowhere is not there; name a folder" in done.stderr
    assert "Traceback" not in done.stderr
