"""docs/retrain is true: its five commands, as they stand there, make a model that the edge runs."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

from tests.training.clips import BARE, MASKED, clip, varied, write_video
from training.records.record import read_records

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "retrain" / "README.md"
FEWER = {"--count": "14", "--minutes": "0.03"}


def commands() -> list[list[str]]:
    """The lines of the page's first block, and with less to do."""
    (block,) = re.findall(r"<!-- A test runs[^>]*-->\n\n((?:    .*\n)+)", PAGE.read_text())
    lines = [shlex.split(line) for line in block.splitlines()]
    for line in lines:
        for option, value in FEWER.items():
            if option in line:
                line[line.index(option) + 1] = value
    return lines


def visits(frames: range, seed: int) -> list[cv2.typing.MatLike]:
    """Somebody comes and goes four times."""
    away = [clip()[0]] * 30
    poses = varied([clip()[n] for n in frames], 40, seed)
    return [picture for n in range(4) for picture in (*poses[n * 10 : n * 10 + 10], *away)]


@pytest.mark.timeout(900)
def test_the_five_commands_of_the_page_put_an_own_model_at_the_edge(tmp_path: Path) -> None:
    write_video(tmp_path / "masked.mp4", visits(MASKED, 1), codec="mp4v")
    write_video(tmp_path / "bare.mp4", visits(BARE, 2), codec="mp4v")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "200"}

    def run(line: list[str], **settings: str) -> str:
        assert line[0] == "python"
        done = subprocess.run(
            [sys.executable, *line[1:]],
            cwd=tmp_path,
            env=environment | settings,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{shlex.join(line)}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    lines = commands()
    assert [line[3] for line in lines] == ["collect", "prepare", "train", "evaluate", "export"]
    for line in lines:
        run(line)

    records = list(read_records(tmp_path / "var/training/prepared/records.jsonl"))
    for split in ("train", "validation"):
        there = {r.crop for r in records if r.split == split}
        assert there == {"with_mask", "without_mask"}, split
    for group in {r.group for r in records}:
        assert len({r.split for r in records if r.group == group}) == 1
    manifest = json.loads((tmp_path / "my-models/manifest.json").read_text())
    models = {m["role"]: m for m in manifest["models"]}
    assert [s["set"] for s in models["classifier"]["trained_on"]] == ["mine"]

    (tmp_path / "look").mkdir()
    cv2.imwrite(str(tmp_path / "look/bare.png"), clip()[BARE[-1]])
    (settings,) = re.findall(r"^    export (EDGE_.*)$", PAGE.read_text(), re.MULTILINE)
    named = dict(pair.split("=", 1) for pair in shlex.split(settings))
    said = run(shlex.split("python -m edge detect --json look"), **named)
    # The detector is the shipped one; seconds of training do not teach what a mask is.
    faces = [f for f in json.loads(said)["faces"] if f["score"] > 0.5]
    assert len(faces) == 1
    assert faces[0]["label"] in {"with_mask", "without_mask", "incorrect_mask"}
