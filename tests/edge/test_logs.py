"""With EDGE_LOG_JSON=true an edge process writes JSON lines and nothing else."""

import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import pytest

from cloud.contract import Label
from tests.edge import standins
from tests.edge.cloud_double import KEY, CloudDouble

ROOT = Path(__file__).parents[2]

Line = dict[str, Any]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Somebody without a mask who puts one on after 2 s; 6 s at 10 frames/s."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    for i in range(60):
        # A person sways: what stands quite still may be a picture.
        x = 100 + i % 5
        colour = standins.RED if i < 20 else standins.GREEN
        writer.write(standins.picture(colour, box=(x, 60, x + 80, 140)))
    writer.release()
    return path


def started(*arguments: str | Path, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "edge", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | {"EDGE_LOG_JSON": "true"} | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read(line: str) -> Line:
    """A line of the log; fails where it is not what docs/edge.md says of every line."""
    said: Line = json.loads(line)
    assert datetime.fromisoformat(said["timestamp"]).utcoffset() == timedelta(0)
    assert said["level"] in {"debug", "info", "warning", "error", "critical"}
    assert said["logger"]
    assert said["event"].replace("_", "").isalnum(), said["event"]
    return said


def run(*arguments: str | Path, **variables: str) -> tuple[int, list[Line]]:
    process = started(*arguments, **variables)
    output, _ = process.communicate(timeout=120)
    return process.returncode, [read(line) for line in output.splitlines()]


def test_a_run_from_its_start_to_its_end_is_json(
    installed: Path, cloud: CloudDouble, clip: Path
) -> None:
    status, lines = run("run", "--source", clip, "--as-fast-as-possible")
    assert status == 0, lines
    events = [line["event"] for line in lines]
    assert events[:2] == ["models_ready", "watching"]
    assert events[-1] == "run_ended"
    assert (lines[-1]["verdicts"], lines[-1]["undelivered"]) == (2, 0)
    stored = [line for line in lines if line["event"] == "event_stored"]
    assert [line["label"] for line in stored] == [Label.WITHOUT_MASK, Label.WITH_MASK]
    delivered = [line["event_id"] for line in lines if line["event"] == "event_acknowledged"]
    assert delivered == [line["event_id"] for line in stored]
    assert KEY not in json.dumps(lines)


@pytest.mark.parametrize(
    ("arguments", "variables", "says"),
    [
        (["--bogus"], {}, "No such option"),
        ([], {"EDGE_VOTES": "many"}, "EDGE_VOTES"),
        ([], {"EDGE_SOURCE": "/nowhere.mp4"}, "/nowhere.mp4"),
    ],
)
def test_what_keeps_it_from_starting_is_one_line(
    installed: Path, clip: Path, arguments: list[str], variables: dict[str, str], says: str
) -> None:
    status, lines = run("run", *arguments, **{"EDGE_SOURCE": str(clip)} | variables)
    assert status in {1, 2}
    [line] = lines
    assert (line["event"], line["level"], line["command"]) == ("command_refused", "error", "run")
    assert says in line["problem"]


def test_a_model_that_was_altered_is_refused_in_one_line(
    installed: Path, clip: Path, models_dir: Path, tmp_path: Path
) -> None:
    altered = tmp_path / "altered"
    altered.mkdir()
    for file in models_dir.iterdir():
        (altered / file.name).write_bytes(file.read_bytes())
    with (altered / "detector.bin").open("ab") as weights:
        weights.write(b"more")
    status, [line] = run("run", "--source", clip, EDGE_DETECTOR=str(altered / "detector.xml"))
    assert status == 1
    assert line["error"] == "ModelAlteredError"


def test_what_ffmpeg_writes_of_a_broken_video_is_in_the_form_of_the_log(
    installed: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\0" * 4096)
    status, lines = run("run", "--source", broken)
    assert status == 1
    assert [line["logger"] for line in lines if line["event"] == "library_message"] == ["ffmpeg"]
    assert "command_refused" in [line["event"] for line in lines]


def test_a_failed_enrolment_is_a_line_where_no_person_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_STATE_DIR", str(tmp_path))
    status, [line] = run("enrol", "--code", "x", "--cloud-url", "http://127.0.0.1:1")
    assert (status, line["error"], line["command"]) == (1, "CloudUnreachableError", "enrol")


def test_help_stays_text(installed: Path) -> None:
    process = started("run", "--help")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "Usage: python -m edge run" in output


def test_the_run_after_a_crash_has_its_stacks_in_one_line(
    installed: Path, cloud: CloudDouble, clip: Path
) -> None:
    process = started("run", "--loop", "--source", clip, EDGE_VOTES="1000")
    assert process.stdout is not None
    for line in process.stdout:
        if read(line)["event"] == "watching":
            break
    process.send_signal(signal.SIGSEGV)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGSEGV
    for line in output.splitlines():
        read(line)
    status, lines = run("run", "--source", clip, "--as-fast-as-possible", EDGE_VOTES="1000")
    assert status == 0
    [crash] = [line for line in lines if line["event"] == "crashed_before"]
    assert "Segmentation fault" in crash["stacks"]
    assert "edge/" in crash["stacks"]
    _, lines = run("run", "--source", clip, "--as-fast-as-possible", EDGE_VOTES="1000")
    assert "crashed_before" not in [line["event"] for line in lines]


SCRIPTS = {
    "in the main thread": "raise ValueError('seen')",
    "in another thread": "import threading\n"
    "def fail(): raise ValueError('seen')\n"
    "each = threading.Thread(target=fail); each.start(); each.join()",
    "in a destructor": "class Thing:\n    def __del__(self): raise ValueError('seen')\nThing()",
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_an_error_that_nobody_caught_is_one_line_with_its_trace(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"from edge import logs\nlogs.capture_output()\n{script}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    [line] = done.stderr.splitlines()
    said = read(line)
    assert said["exception"].startswith("Traceback")
    assert "ValueError: seen" in said["exception"]
    assert done.stdout == ""


def test_libraries_write_in_the_form_of_the_log_and_not_a_line_for_each_request() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import logging, warnings\n"
            "from edge import logs\nlogs.capture_output()\n"
            "logging.getLogger('httpx').info('HTTP Request: GET http://cloud/')\n"
            "logging.getLogger('library').warning('odd %s', 'thing')\n"
            "warnings.warn('old', DeprecationWarning, stacklevel=1)\n",
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONWARNINGS": "always"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = [read(line) for line in done.stderr.splitlines()]
    assert [line["logger"] for line in lines] == ["library", "py.warnings"]
    assert {line["event"] for line in lines} == {"library_message"}
    assert lines[0]["message"] == "odd thing"
    assert "DeprecationWarning: old" in lines[1]["message"]
