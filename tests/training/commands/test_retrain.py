"""docs/retrain is true: its five commands, as they stand there, make a model that the edge runs."""

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.training.clips import BARE, MASKED, clip, varied, write_video
from training.graphs.face_finder import FaceFinder
from training.records.record import read_records
from training.samples.face_shape import estimated_shape
from training.samples.synthetic_masks import draw_mask

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "retrain" / "README.md"
FEWER = {"--count": "14", "--minutes": "0.03"}
THREE, TWO = "A test runs these lines as", "A test runs these lines, too"


def commands(mark: str) -> list[list[str]]:
    """The lines of the page's block under a mark, with less to do."""
    (block,) = re.findall(rf"<!-- {mark}[^>]*-->\n\n((?:    .*\n)+)", PAGE.read_text())
    lines = [shlex.split(line) for line in block.splitlines()]
    for line in lines:
        for option, value in FEWER.items():
            if option in line:
                line[line.index(option) + 1] = value
    assert [line[3] for line in lines] == ["collect", "prepare", "train", "evaluate", "export"]
    return lines


def visits(frames: list[np.ndarray], seed: int) -> list[np.ndarray]:
    """Somebody comes and goes four times."""
    away = [clip()[0]] * 30
    poses = varied(frames, 40, seed)
    return [picture for n in range(4) for picture in (*poses[n * 10 : n * 10 + 10], *away)]


def under_the_nose() -> list[np.ndarray]:
    """The clip's bare face with a mask drawn under the nose."""
    finder, rng = FaceFinder(), np.random.default_rng(3)
    frames = []
    for n in BARE:
        picture = clip()[n].astype(np.uint8)
        for face in finder.find(picture)[:1]:
            draw_mask(
                picture, estimated_shape(np.array(face.box, np.float32), rng), "below_nose", [], rng
            )
        frames.append(picture)
    return frames


@dataclass(frozen=True, slots=True)
class Shell:
    """Runs the page's lines in a folder with the videos."""

    folder: Path

    def run(
        self, line: list[str], settings: dict[str, str] | None = None, *, fails: bool = False
    ) -> subprocess.CompletedProcess[str]:
        assert line[0] == "python"
        done = subprocess.run(
            [sys.executable, *line[1:]],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"} | (settings or {}),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        said = f"{shlex.join(line)}\n{done.stdout}\n{done.stderr}"
        assert (done.returncode != 0) is fails, said
        return done


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    masked, bare = ([clip()[n] for n in frames] for frames in (MASKED, BARE))
    write_video(tmp_path / "masked.mp4", visits(masked, 1), codec="mp4v")
    write_video(tmp_path / "bare.mp4", visits(bare, 2), codec="mp4v")
    return Shell(tmp_path)


def labels_of(folder: Path) -> dict[str, set[str | None]]:
    """The labels that each split has."""
    records = list(read_records(folder / "var/training/prepared/records.jsonl"))
    for group in {r.group for r in records}:
        assert len({r.split for r in records if r.group == group}) == 1
    return {s: {r.crop for r in records if r.split == s} for s in ("train", "validation")}


def classifier_row(folder: Path) -> dict[str, Any]:
    manifest = json.loads((folder / "my-models/manifest.json").read_text())
    (row,) = [m for m in manifest["models"] if m["role"] == "classifier"]
    return dict(row)


def named_models() -> dict[str, str]:
    """The settings of the page that name the models."""
    (settings,) = re.findall(r"^    export (EDGE_.*)$", PAGE.read_text(), re.MULTILINE)
    return dict(pair.split("=", 1) for pair in shlex.split(settings))


@pytest.mark.timeout(900)
def test_the_five_commands_of_the_page_put_an_own_model_at_the_edge(shell: Shell) -> None:
    folder = shell.folder
    write_video(folder / "wrong.mp4", visits(under_the_nose(), 4), codec="mp4v")
    *lines, export = commands(THREE)
    for line in lines:
        done = shell.run(line)
        assert "not known" not in done.stdout + done.stderr
    # Seconds of training may make a model that admits more than the shipped one.
    shell.run([*export, "--accept-risk"])

    every = {"with_mask", "without_mask", "incorrect_mask"}
    assert labels_of(folder) == {"train": every, "validation": every}
    row = classifier_row(folder)
    assert [s["set"] for s in row["trained_on"]] == ["mine"]
    assert "untested_labels" not in row
    assert (folder / "var/training/classifier/mistakes.html").is_file()

    (folder / "look").mkdir()
    cv2.imwrite(str(folder / "look/bare.png"), clip()[BARE[-1]])
    said = shell.run(shlex.split("python -m edge detect --json look"), named_models()).stdout
    # The detector is the shipped one; seconds of training do not teach what a mask is.
    faces = [f for f in json.loads(said)["faces"] if f["score"] > 0.5]
    assert len(faces) == 1
    assert faces[0]["label"] in every


@pytest.mark.timeout(900)
def test_a_model_of_two_labels_is_warned_of_at_each_step_and_installed_only_by_wish(
    shell: Shell,
) -> None:
    folder, sentence = shell.folder, "No wrongly worn mask was in the training or validation"
    collect, prepare, train, evaluate, export = commands(TWO)
    for line in (collect, prepare):
        shell.run(line)
    assert shell.run(train).stdout.count(sentence) == 2
    done = shell.run(evaluate)
    assert sentence in done.stderr
    assert "wrongly worn masks admitted (synthetic)" in done.stderr
    compared = json.loads(done.stdout)["beside_shipped"]
    assert compared["own"].keys() == compared["shipped"].keys()
    assert compared["own"]["false_admit_synthetic_incorrect_mask"]["of"] > 0

    refused = shell.run([word for word in export if word != "--accept-risk"], fails=True)
    assert sentence in " ".join(refused.stderr.split())
    assert not (folder / "my-models").exists()
    shell.run(export)
    assert labels_of(folder)["validation"] == {"with_mask", "without_mask"}
    assert classifier_row(folder)["untested_labels"] == ["incorrect_mask"]
    assert sentence in " ".join((folder / "my-models/card.md").read_text().split())
    doctor = shlex.split("python -m edge doctor --source masked.mp4")
    found = shell.run(doctor, named_models(), fails=True)
    assert "never tested on faces that are incorrect_mask" in " ".join(
        (found.stdout + found.stderr).split()
    )
