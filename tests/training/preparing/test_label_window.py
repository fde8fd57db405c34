"""The window runs in a process of its own: Tk ends a process whose X server goes away."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from training.errors import ScreenError
from training.preparing.label_window import LabelWindow

ROOT = Path(__file__).parents[3]
OPENED = """
import numpy as np
from training.preparing.collect import Choice
from training.graphs.face_finder import Face
from training.preparing.frames import Frame
from training.preparing.label_window import LabelWindow

frame = Frame(np.full((120, 160, 3), 90, np.uint8), 0.0, "0.00s")
face = Face((20.0, 20.0, 80.0, 90.0), 0.9)

def press(preview, key):
    preview.window.focus_force()
    preview.window.update()
    preview.window.event_generate(f"<Key-{key}>")

with LabelWindow() as preview:
"""
WAITS = """
    for key in "mnis":
        # A key that means nothing comes first, and is not taken for one.
        preview.window.after(50, press, preview, "z")
        preview.window.after(100, press, preview, key)
        print(preview.choose(frame, face, live=False))
"""
GOES_ON = """
    print(preview.choose(frame, face, live=True))
    press(preview, "m")
    print(preview.choose(frame, face, live=True))
    print(preview.show(frame, None, "no face"))
    press(preview, "q")
    print(preview.show(frame, None, "no face"))
"""


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = shutil.which("Xvfb")
    if server is None:
        pytest.skip("no Xvfb here to open a window on")
    log = tmp_path_factory.mktemp("screen") / "log"
    command = [server, "-displayfd", "1", "-screen", "0", "640x480x24", "-nolisten", "tcp"]
    with (
        log.open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process,
    ):
        assert process.stdout is not None
        yield f":{process.stdout.readline().decode().strip()}"
        process.terminate()


def said(screen: str, code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", OPENED + code],
        env=os.environ | {"DISPLAY": screen, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_a_file_waits_for_a_key_and_each_key_has_its_meaning(screen: str) -> None:
    assert said(screen, WAITS) == ["with_mask", "without_mask", "incorrect_mask", "skip"]


def test_a_camera_goes_on_without_a_key_and_q_ends_it(screen: str) -> None:
    assert said(screen, GOES_ON) == ["skip", "with_mask", "True", "False"]


def test_without_a_screen_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(ScreenError, match="--label"):
        LabelWindow()
