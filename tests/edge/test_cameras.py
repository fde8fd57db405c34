"""Several cameras in one process, with real files and streams."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import cv2
import pytest

from cloud.contract import CameraState, Label
from edge import status
from edge.errors import SourceUnreadableError
from edge.settings import Settings
from edge.stages import Stage
from tests.doubles.network_camera import network_camera
from tests.doubles.redis_server import free_port
from tests.edge import standins
from tests.edge.cloud_double import CloudDouble
from tests.edge.test_main import edge

ROOT = Path(__file__).parents[2]
COLOURS = {Label.WITH_MASK: standins.GREEN, Label.WITHOUT_MASK: standins.RED}


def clip(path: Path, label: Label, size: tuple[int, int] = (240, 320)) -> Path:
    """One person who sways, for 2 s at 10 frames/s."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (size[1], size[0]))
    for n in range(20):
        x = 100 + n % 5
        writer.write(standins.picture(COLOURS[label], box=(x, 60, x + 80, 140), size=size))
    writer.release()
    return path


def test_each_camera_has_people_and_events_of_its_own(
    installed: Path, cloud: CloudDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = clip(tmp_path / "front.avi", Label.WITH_MASK)
    side = clip(tmp_path / "side.avi", Label.WITHOUT_MASK, (300, 400))
    monkeypatch.setenv("EDGE_CAMERAS", f"side={side}")
    result = edge("run", "--source", front, "--as-fast-as-possible")
    assert result.exit_code == 0, result.output
    assert {(e.camera, e.label) for e in cloud.events} == {
        ("main", Label.WITH_MASK),
        ("side", Label.WITHOUT_MASK),
    }
    assert "2 verdicts, 0 events undelivered" in result.output
    assert "of camera side" in result.output
    last = cloud.heartbeats[-1]
    assert (last.camera, last.finished) == (CameraState.ENDED, True)
    assert {name: report.finished for name, report in last.cameras.items()} == {
        "main": True,
        "side": True,
    }


def test_one_camera_alone_has_no_name_on_the_wire(
    installed: Path, cloud: CloudDouble, tmp_path: Path
) -> None:
    front = clip(tmp_path / "front.avi", Label.WITH_MASK)
    assert edge("run", "--source", front, "--as-fast-as-possible").exit_code == 0
    assert [event.camera for event in cloud.events] == [None]
    assert cloud.heartbeats[-1].cameras == {}


def test_a_file_that_cannot_be_played_fails_the_run_after_the_other_cameras(
    installed: Path, cloud: CloudDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.avi"
    broken.write_bytes(b"no video")
    side = clip(tmp_path / "side.avi", Label.WITH_MASK)
    monkeypatch.setenv("EDGE_CAMERAS", f"side={side}")
    result = edge("run", "--source", broken, "--as-fast-as-possible")
    assert result.exit_code == 1
    assert SourceUnreadableError.__name__ in result.output
    assert "camera_gone" in result.output
    assert "event_stored" in result.output


@contextmanager
def running(**settings: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "edge", "run"],
        cwd=ROOT,
        env=os.environ | {"EDGE_LOG_JSON": "true"} | settings,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_camera_that_is_away_is_named_and_the_other_goes_on(
    installed: Path, cloud: CloudDouble
) -> None:
    people = [
        cv2.imencode(".jpg", standins.picture(standins.GREEN, box=(x, 60, x + 80, 140)))[
            1
        ].tobytes()
        for x in range(100, 110)
    ]
    port = free_port()
    with (
        network_camera(people, 15) as address,
        running(
            EDGE_SOURCE="/dev/video97",
            EDGE_CAMERAS=f"side=http://{address}",
            EDGE_METRICS_PORT=str(port),
        ) as process,
    ):
        with cloud.changed:
            assert cloud.changed.wait_for(
                lambda: cloud.events and any("camera_lost" in b.problems for b in cloud.heartbeats),
                60,
            )
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            metrics = answer.read().decode()
        found = status.read(Settings(metrics_port=port))
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert cloud.events[0].camera == "side"
    report = next(b for b in cloud.heartbeats if b.cameras["side"].state is CameraState.LIVE)
    assert report.camera is CameraState.RECONNECTING
    assert report.cameras["main"].state is CameraState.RECONNECTING
    assert "camera_lost" in report.cameras["main"].problems
    assert "camera_lost" not in report.cameras["side"].problems
    assert 'maskgate_edge_frames_judged_total{camera="side"}' in metrics
    assert 'maskgate_edge_camera_silent_seconds{camera="main"}' in metrics
    assert "maskgate_edge_online 1.0" in metrics
    main, side = found.cameras
    assert (main.name, side.name) == ("main", "side")
    assert main.frames_per_second == 0 < side.frames_per_second
    assert found.is_online
    assert found.heartbeat_s is not None
    assert found.problems is not None
    assert "camera_lost" in found.problems
    assert set(found.busy_s) == set(Stage)
