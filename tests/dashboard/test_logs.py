"""With DASHBOARD_LOG_JSON=true the dashboard's process writes JSON lines and nothing else."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.logs import FORMAT, JsonLines, wanted
from tests.doubles.redis_server import free_port

ROOT = Path(__file__).parents[2]


def read(line: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(line)
    assert datetime.fromisoformat(said["timestamp"]).utcoffset() == timedelta(0)
    assert said["level"] in {"debug", "info", "warning", "error", "critical"}
    assert said["logger"]
    assert said["event"]
    return said


def test_records_and_printed_lines_become_objects() -> None:
    shown = io.StringIO()
    stream = JsonLines(shown, "stderr", "warning")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter(FORMAT))
    logger = logging.Logger("streamlit.runtime")
    logger.addHandler(handler)
    logger.info("%d sessions\nare open", 2)
    try:
        int("seen")
    except ValueError:
        logger.exception("Uncaught app execution")
    print("printed", file=stream, end="")
    print(" line", file=stream)
    print("the rest", file=stream, end="")
    stream.end()
    open_, failed, printed, rest = (read(line) for line in shown.getvalue().splitlines())
    assert (open_["level"], open_["logger"]) == ("info", "streamlit.runtime")
    assert open_["message"] == "2 sessions\nare open"
    assert failed["message"] == "Uncaught app execution"
    assert failed["exception"].startswith("Traceback")
    assert failed["exception"].endswith("with base 10: 'seen'")
    assert (printed["message"], printed["level"]) == ("printed line", "warning")
    assert rest["message"] == "the rest"
    assert {open_["event"], failed["event"], printed["event"]} == {"library_message"}


def test_the_dashboards_own_records_name_their_event() -> None:
    shown = io.StringIO()
    handler = logging.StreamHandler(JsonLines(shown, "stderr", "warning"))
    handler.setFormatter(logging.Formatter(FORMAT))
    logger = logging.Logger("dashboard")
    logger.addHandler(handler)
    try:
        int("seen")
    except ValueError:
        logger.exception("uncaught_error_in_thread")
    logger.warning("gate_lost gate=%s reason=%s", "main", "ApiTimedOut")
    failed, lost = (read(line) for line in shown.getvalue().splitlines())
    assert failed["event"] == "uncaught_error_in_thread"
    assert failed["exception"].endswith("with base 10: 'seen'")
    assert (lost["event"], lost["gate"], lost["reason"]) == ("gate_lost", "main", "ApiTimedOut")


@pytest.mark.parametrize(
    ("said", "means"),
    [("true", True), ("1", True), ("false", False), ("", False), ("perhaps", False)],
)
def test_json_is_written_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, said: str, means: bool
) -> None:
    monkeypatch.setenv("DASHBOARD_LOG_JSON", said)
    assert wanted() is means


def test_the_server_writes_json_from_its_start_to_its_end() -> None:
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "dashboard", "--server.port", str(port)],
        cwd=ROOT,
        env=os.environ | {"DASHBOARD_LOG_JSON": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/_stcore/health").is_success:
                    break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        server.send_signal(signal.SIGTERM)
        output, _ = server.communicate(timeout=60)
    finally:
        server.kill()
    lines = [read(line) for line in output.splitlines()]
    begun = next(line for line in lines if line["event"] == "dashboard_started")
    assert begun["port"] == str(port)
    assert lines[-1]["event"] == "dashboard_ended"
