import io
import json
import os
import platform
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from training.errors import MissingRunError
from training.loop.journal import Journal, State
from training.loop.watch import read_status, watch

LOSSES = {"box_loss": 0.5}


def history(count: int) -> list[dict[str, float]]:
    return [
        {"minutes": float(n), "samples": 100.0 * n, "box_loss": 1 / n, "face_ap_50": 0.1 * n}
        for n in range(1, count + 1)
    ]


def test_a_run_is_shown_until_it_ends(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "detector", 4.0, tensorboard=False)
    journal.progress(60, 100, 1.7, LOSSES)
    said = io.StringIO()
    waited = []

    def goes_on(_: float) -> None:
        waited.append(1)
        journal.evaluated(history(len(waited) + 1), "face_ap_50")
        if len(waited) == 3:
            journal.progress(240, 400, 1.7, LOSSES)
            journal.close(State.ENDED)

    last = watch(tmp_path, Console(file=said, width=90, force_terminal=True), sleep=goes_on)
    assert last.state is State.ENDED
    assert len(waited) == 3
    assert last.progress["samples"] == 400
    text = said.getvalue()
    assert "4.0 of 4 minutes" in text
    assert "face_ap_50" in text
    assert "on the validation split" in text


def test_a_run_whose_process_is_gone_is_named(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as process:
        child = process.pid
    told = {
        "state": "running", "host": platform.node(), "pid": child, "at": 0.0, "minutes": 1.0,
        "budget": 2.0, "samples": 10, "pace": 1.0, "losses": LOSSES,
    }  # fmt: skip
    (tmp_path / "progress.json").write_text(json.dumps(told))
    said = io.StringIO()
    assert watch(tmp_path, Console(file=said, width=200)).lost
    assert "go on with --resume" in said.getvalue()
    (tmp_path / "progress.json").write_text(json.dumps(told | {"pid": os.getpid()}))
    assert not read_status(tmp_path).lost
    (tmp_path / "progress.json").write_text(json.dumps(told | {"host": "another"}))
    assert read_status(tmp_path).lost, "silent since 1970"


def test_a_folder_without_a_run_is_named_and_an_old_one_is_shown(tmp_path: Path) -> None:
    with pytest.raises(MissingRunError, match="holds no run; start one"):
        read_status(tmp_path)
    (tmp_path / "history.json").write_text(json.dumps(history(2)))
    said = io.StringIO()
    assert watch(tmp_path, Console(file=said, width=90)).state is State.ENDED
    assert "0.2000" in said.getvalue()
