"""Whole processes with a part that hangs, and what they report, log and exit with."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import pytest

from cloud.contract import CameraState, Heartbeat
from edge.ending import HUNG
from tests.doubles.network_camera import network_camera
from tests.edge import standins
from tests.edge.cloud_double import CloudDouble

ROOT = Path(__file__).parents[2]
JPEG = cv2.imencode(".jpg", standins.picture(standins.RED))[1].tobytes()

HANGS = "hangs now"

HANG_IN_NATIVE_CODE = """
import ctypes, logging, sys
from edge import {module}

def hang(*_arguments, **_options):
    mutex = ctypes.create_string_buffer(64)  # zeros: PTHREAD_MUTEX_INITIALIZER of glibc
    logging.getLogger("hang").warning("{hangs}")
    lock = ctypes.CDLL(None).pthread_mutex_lock
    lock(mutex)
    lock(mutex)

{module}.{name} = hang
from edge.__main__ import main
sys.argv[1:] = {arguments}
main()
"""
"""Runs the edge with a method that never returns, and that no signal interrupts."""

pytestmark = pytest.mark.usefixtures("installed")


@contextmanager
def running(*command: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A process of the edge, whose log is JSON on its standard error."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"EDGE_LOG_JSON": "true", "EDGE_STALL_AFTER_S": "1"} | settings,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def hanging(module: str, name: str, source: str) -> tuple[str, str]:
    """The command of an edge whose method hangs."""
    arguments = ["run", "--source", source]
    script = HANG_IN_NATIVE_CODE.format(module=module, name=name, arguments=arguments, hangs=HANGS)
    return "-c", script


def wait_for_heartbeat(cloud: CloudDouble, matches: Callable[[Heartbeat], bool]) -> Heartbeat:
    with cloud.changed:
        assert cloud.changed.wait_for(lambda: any(map(matches, cloud.heartbeats)), 60)
        return next(filter(matches, cloud.heartbeats))


def logged(process: subprocess.Popen[str]) -> list[dict[str, object]]:
    """All lines of the log, once the process has ended."""
    _, log = process.communicate(timeout=60)
    return [json.loads(line) for line in log.splitlines()]


def test_a_hung_inference_is_named_and_ends_the_process(cloud: CloudDouble) -> None:
    with network_camera([JPEG], 15) as address:
        command = hanging("faces", "FaceDetector.start", f"http://{address}")
        with running(*command, EDGE_HANG_EXIT_S="4") as process:
            report = wait_for_heartbeat(cloud, lambda beat: "inference_stuck" in beat.problems)
            lines = logged(process)
    assert report.camera is CameraState.LIVE
    assert "camera_lost" not in report.problems
    assert process.returncode == HUNG
    (stuck,) = (line for line in lines if line["event"] == "stage_stuck")
    assert stuck["stage"] == "inference"
    (ended,) = (line for line in lines if line["event"] == "hung_process_ended")
    assert ended["stage"] == "inference"


def test_sigterm_ends_a_process_whose_inference_hangs(cloud: CloudDouble) -> None:
    with network_camera([JPEG], 15) as address:
        command = hanging("faces", "FaceDetector.start", f"http://{address}")
        with running(*command, EDGE_HANG_EXIT_S="0") as process:
            wait_for_heartbeat(cloud, lambda beat: "inference_stuck" in beat.problems)
            process.send_signal(signal.SIGTERM)
            lines = logged(process)
    assert process.returncode == HUNG
    assert lines[-1]["event"] == "stop_forced"
    assert "inference" in str(lines[-1]["busy"])


def test_a_camera_that_stalls_is_lost_and_sigterm_does_not_wait_for_its_read(
    cloud: CloudDouble,
) -> None:
    stalled = threading.Event()
    with network_camera([JPEG], 15, stalled=stalled) as address:
        command = ("-m", "edge", "run", "--source", f"http://{address}")
        with running(*command) as process:
            cloud.wait_for(1)
            stalled.set()
            report = wait_for_heartbeat(cloud, lambda beat: "camera_lost" in beat.problems)
            process.send_signal(signal.SIGTERM)
            lines = logged(process)
    assert report.camera is CameraState.RECONNECTING
    assert process.returncode == 0
    assert lines[-1]["event"] == "run_ended"
    assert lines[-1]["hangs"] is True


def test_sigterm_ends_a_process_whose_cloud_hangs() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        network_camera([JPEG], 15) as address,
    ):
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        command = ("-m", "edge", "run", "--source", f"http://{address}")
        with running(*command, EDGE_CLOUD_URL=url, EDGE_REQUEST_TIMEOUT_S="600") as process:
            # The request of the first event is under way, and is never answered.
            assert process.stderr is not None
            seen = next(line for line in process.stderr if "event_stored" in line)
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=60)
    assert json.loads(seen)["event"] == "event_stored"
    assert process.returncode in {0, HUNG}


def test_sigterm_ends_a_start_whose_model_hangs() -> None:
    with (
        network_camera([JPEG], 15) as address,
        running(*hanging("loaded_models", "load", f"http://{address}")) as process,
    ):
        assert process.stderr is not None
        next(line for line in process.stderr if HANGS in line)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    # A signal that comes just before the hang interrupts the start as usual (130).
    assert process.returncode in {HUNG, 130}
