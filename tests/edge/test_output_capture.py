"""What libraries write without asking Python is read as messages."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.output_capture import Message, OutputCapture

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "stream", "read"),
    [
        (
            "[ WARN:0@8.012] global cap_ffmpeg_impl.hpp:453 Stream timeout triggered",
            "stderr",
            Message("opencv", "warning", "global cap_ffmpeg_impl.hpp:453 Stream timeout triggered"),
        ),
        (
            "[ERROR:12@0.3] global file.cpp:1 lost",
            "stderr",
            Message("opencv", "error", "global file.cpp:1 lost"),
        ),
        (
            "[rtsp @ 0x55d0a8] method DESCRIBE failed: 401 Unauthorized",
            "stderr",
            Message("ffmpeg", "warning", "rtsp: method DESCRIBE failed: 401 Unauthorized"),
        ),
        (
            "[OPENCV:FFMPEG:16] Connection refused",
            "stderr",
            Message("ffmpeg", "warning", "ffmpeg: Connection refused"),
        ),
        ("aplay: no such card", "stderr", Message("stderr", "warning", "aplay: no such card")),
        ("Playing", "stdout", Message("stdout", "info", "Playing")),
    ],
)
def test_a_line_says_who_wrote_it_and_how_grave_it_is(
    text: str, stream: str, read: Message
) -> None:
    assert Message.parse(text, stream) == read


def run(script: str) -> tuple[int, list[dict[str, object]]]:
    """Run a script whose output is taken over; return its status and what it wrote."""
    preface = "import os, sys\nfrom edge import logs\nlogs.capture_output()\n"
    done = subprocess.run(
        [sys.executable, "-c", preface + script],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def messages(script: str) -> list[object]:
    status, lines = run(script)
    assert status == 0, lines
    return [line["message"] for line in lines]


def test_indented_lines_and_the_end_of_a_trace_belong_to_what_came_before() -> None:
    trace = "Traceback (most recent call last):\n  File x\n    raise ValueError\nValueError: no"
    written = f"first\n{trace}\nlast\n    repeated 3 times\n"
    assert messages(f"os.write(2, {written.encode()!r})") == [
        "first",
        trace,
        "last\n    repeated 3 times",
    ]


def test_what_a_process_that_ends_has_written_last_is_not_lost() -> None:
    assert set(messages("os.write(2, b'no line end'); print('printed', end='')")) == {
        "printed",
        "no line end",
    }


def test_bytes_that_are_no_text_are_escaped() -> None:
    assert set(messages(r"os.write(2, b'caf\xe9\n'); print('\udce9')")) == {r"caf\xe9", r"\udce9"}


def test_a_program_that_is_started_writes_into_the_log_and_holds_nothing_up() -> None:
    script = """
import subprocess
subprocess.run(["sh", "-c", "echo from a child >&2"])
lasts = subprocess.Popen(["sleep", "30"])
import structlog; structlog.get_logger("t").info("left", message=str(lasts.pid))
"""
    status, lines = run(script)
    said = {line["event"]: line["message"] for line in lines}
    subprocess.run(["kill", str(said.pop("left"))], check=True)
    assert (status, said) == (0, {"library_message": "from a child"})


def test_a_library_that_writes_a_flood_does_not_hang() -> None:
    # PyDLL keeps the interpreter's lock, so that the thread that reads cannot run meanwhile.
    script = """
import ctypes
flood = b"x" * 7_999 + b"\\n"
ctypes.PyDLL(None).write(2, flood * 500, 4_000_000)
print("goes on")
"""
    said = messages(script)
    assert "goes on" in said
    assert said.count("x" * 7_999) > 1


SCRIPT = """
import ctypes, os, sys
from edge.output_capture import OutputCapture
libc, taken = ctypes.CDLL(None), []
with OutputCapture(lambda message: taken.append(message.text), python=False):
    print("python out")
    print("python err", file=sys.stderr)
    os.write(2, b"first\\nhalf a ")
    os.write(2, b"line\\n")
    libc.puts(b"buffered by C")
    os.write(1, b"no end")
print(sorted(taken), flush=True)
os.write(1, b"as before\\n")
"""


def test_lines_of_libraries_are_taken_and_those_of_python_are_not() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == "python err\n"
    lines = done.stdout.splitlines()
    assert lines[0] == "python out"
    assert set(lines[1:]) == {str(["buffered by C", "first", "half a line", "no end"]), "as before"}


def test_a_stream_that_is_captured_elsewhere_stays(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout
    with OutputCapture(lambda _message: None, python=False):
        assert sys.stdout is before
        print("seen")
    assert capsys.readouterr().out == "seen\n"
