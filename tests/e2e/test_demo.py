"""`python -m demo` plays its scenario and prints the figures, or fails and says why."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from demo.deployment import ROOT, Deployment

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def _demo(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "demo", "--once", *options]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False
    )


def test_once_prints_one_line_and_succeeds(tmp_path: Path) -> None:
    done = _demo("--state", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stderr
    [line] = done.stdout.splitlines()
    story = json.loads(line)
    assert set(story) == {
        "refused",
        "granted",
        "redeemed",
        "redeemed_again",
        "seconds_from_face_to_qr",
    }
    assert story["refused"] >= 1
    assert story["granted"] >= 1
    assert story["redeemed"] == "admitted"
    assert story["redeemed_again"] == "already_redeemed"
    assert 0 < story["seconds_from_face_to_qr"] < 30
    shown = done.stderr.splitlines()
    # The first lines say where to look and what will happen; the last are the camera's.
    assert "The demo of Maskgate" in shown[0]
    told = " ".join(shown[:12])
    assert "?gate=front-door" in told
    assert "is refused" in told
    assert shown[-1].split("|")[0].strip() == "edge"
    assert "0 events undelivered" in shown[-1]
    assert "refused to connect" not in done.stderr
    assert "Connection refused" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_clip_without_people_fails_and_says_so(tmp_path: Path) -> None:
    empty = tmp_path / "empty.mp4"
    writer = cv2.VideoWriter(str(empty), cv2.VideoWriter.fourcc(*"mp4v"), 12, (320, 240))
    # A wall with light from one side: a picture of one colour is a fault of the camera.
    wall = np.repeat(np.linspace(60, 200, 320, dtype=np.uint8)[None, :, None], 240, axis=0)
    for _ in range(12):
        writer.write(np.repeat(wall, 3, axis=2))
    writer.release()
    done = _demo("--state", str(tmp_path / "demo"), "--source", str(empty))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "nobody was refused" in done.stderr


def test_a_source_that_is_not_there_fails_and_names_it(tmp_path: Path) -> None:
    done = _demo("--state", str(tmp_path / "demo"), "--source", "no-such-clip.mp4")
    assert done.returncode == 1
    assert "no-such-clip.mp4" in done.stderr


def test_two_demos_do_not_share_a_state(tmp_path: Path) -> None:
    with Deployment(tmp_path / "demo-once").alone():
        done = _demo("--state", str(tmp_path / "demo"))
    assert done.returncode == 1
    assert "another demo runs" in done.stderr


def _running(tmp_path: Path) -> subprocess.Popen[str]:
    """Return a demo whose processes all run."""
    running = subprocess.Popen(
        [sys.executable, "-m", "demo", "--state", str(tmp_path / "demo")],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stderr is not None
    assert any("Maskgate is running" in line for line in running.stderr)
    return running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_quietly_with_all_its_parts_when_told_to(
    tmp_path: Path, number: signal.Signals
) -> None:
    running = _running(tmp_path)
    parts = psutil.Process(running.pid).children(recursive=True)
    assert len(parts) >= 5
    running.send_signal(number)
    _, said = running.communicate(timeout=90)
    assert running.returncode == 0
    assert psutil.wait_procs(parts, timeout=30)[1] == []
    assert "Connection refused" not in said
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("Ended.")


def test_a_part_that_dies_is_named_and_its_last_lines_are_shown(tmp_path: Path) -> None:
    running = _running(tmp_path)
    [server] = [
        part
        for part in psutil.Process(running.pid).children(recursive=True)
        if part.cmdline()[1:4] == ["-m", "cloud", "api"]
    ]
    server.kill()
    _, said = running.communicate(timeout=90)
    assert running.returncode == 1
    assert "api ended by itself" in said
