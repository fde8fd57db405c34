"""A gender head is trained on faces named as in UTKFace, and measured by group."""

import json
from pathlib import Path

import pytest

from tests.training.people import write_people
from training.__main__ import app
from training.errors import MissingCheckpointError, MissingModelError
from training.graphs.face_finder import SHIPPED
from training.networks.checkpoint import load


@pytest.mark.timeout(320)
def test_a_gender_head_is_trained_and_measured_by_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_people(tmp_path / "data" / "gender", 90)

    def training(*arguments: str) -> str:
        capsys.readouterr()
        app([*arguments], standalone_mode=False)
        return capsys.readouterr().out

    training("prepare", "--data", "data")
    small = ("--minutes", "0.05", "--batch", "4", "--size", "48", "--workers", "0")
    training("train", "gender", *small)
    figures = json.loads(training("evaluate", "gender"))
    written = json.loads(Path("var/training/gender/figures.json").read_text())
    assert written == figures
    assert set(figures["by_gender"]) == {"male", "female"}
    assert sum(p["faces"] for p in figures["by_race"].values()) == figures["faces"]
    assert sum(p["faces"] for p in figures["by_age"].values()) == figures["faces"]
    assert sum(map(sum, figures["confusion"])) == figures["faces"]
    assert Path("var/training/gender/confusion.png").is_file()

    parts = [p for group in ("by_gender", "by_race", "by_age") for p in figures[group].values()]
    for figure in (figures["balanced_accuracy"], *(p["accuracy"] for p in parts)):
        assert figure["low"] <= figure["value"] <= figure["high"]

    elsewhere = json.loads(training("evaluate", "gender", "--data", "data/gender"))
    assert elsewhere["faces"] == 60
    assert json.loads(Path("var/training/gender/figures.json").read_text()) == written

    with pytest.raises(MissingCheckpointError, match="holds a gender, not a classifier"):
        training("evaluate", "classifier", "--run", "var/training/gender")
    training("train", "gender", *small, "--run", "second", "--begin-from", "var/training/gender")
    assert load(Path("second/last.pt"))["configuration"]["kind"] == "gender"


def test_the_installed_head_is_measured_without_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_people(tmp_path / "faces", 12)
    shipped = str(SHIPPED.parent)
    app(["evaluate", "gender", "--models", shipped, "--data", "faces"], standalone_mode=False)
    said = capsys.readouterr()
    figures = json.loads(said.out)
    assert figures["measured"].endswith("gender-head.xml")
    assert figures["faces"] == 8
    assert figures["accuracy"]["of"] == 8
    assert {p["accuracy"]["of"] for p in figures["by_gender"].values()} == {4}
    assert "gender: female" in said.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["faces"]


def test_a_folder_without_a_head_is_named(tmp_path: Path, models: Path) -> None:
    write_people(tmp_path / "faces", 12)
    with pytest.raises(MissingModelError, match="names no gender head"):
        app(
            ["evaluate", "gender", "--models", str(models), "--data", str(tmp_path / "faces")],
            standalone_mode=False,
        )
