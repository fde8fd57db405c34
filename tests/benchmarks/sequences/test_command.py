"""The command: clips of drawn people through the edge's own models and tracker."""

import json
from pathlib import Path

import cv2
import pytest
import typer
from typer.testing import CliRunner

from benchmarks.sequences.__main__ import main
from benchmarks.sequences.judging import kept
from edge.errors import SourceError

APP = typer.Typer()
APP.command()(main)
SMALL = ["--people", "4", "--family", "approach", "--threads", "1", "--rate", "5", "--rate", "15"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of people who approach, judged."""
    made = tmp_path_factory.mktemp("made")
    options = ["--keep", str(made / "judged.jsonl"), "--json", str(made / "out.json")]
    done = CliRunner().invoke(APP, [*SMALL, *options])
    assert done.exit_code == 0, done.output
    assert "approach" in done.output
    return made


def test_people_who_approach_get_one_right_verdict(folder: Path) -> None:
    told = json.loads((folder / "out.json").read_text())
    approach = told["by_kind"]["approach"]
    assert approach["sightings"] == approach["right"] == 4
    assert approach["second_passes"] == approach["double"] == approach["false_admits"] == 0
    assert 0 < approach["delay_s_p50"] < 2


def test_a_replay_gives_the_same_counts_without_models(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.json"
    options = ["--replay", str(folder / "judged.jsonl"), "--json", str(again)]
    options += ["--rate", "5", "--rate", "15"]
    done = CliRunner().invoke(APP, [*options, "--models", str(tmp_path / "none")])
    assert done.exit_code == 0, done.output
    first = json.loads((folder / "out.json").read_text())
    assert json.loads(again.read_text())["by_kind"] == first["by_kind"]


def test_a_contact_sheet_is_a_picture(tmp_path: Path) -> None:
    done = CliRunner().invoke(APP, [*SMALL, "--save", str(tmp_path)])
    assert done.exit_code == 0, done.output
    sheets = sorted(tmp_path.glob("*.png"))
    assert [s.name for s in sheets] == ["000-approach-mask.png", "001-approach-bare.png"]
    assert cv2.imread(str(sheets[0])) is not None


def test_an_unknown_family_is_named() -> None:
    done = CliRunner().invoke(APP, ["--family", "dancing"])
    assert done.exit_code == 2
    assert "dancing" in done.output


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text('{"kind": 1}\n')
    with pytest.raises(SourceError, match="no file of judged clips"):
        list(kept(tmp_path / "x"))
