"""Whole runs with sources that show nothing."""

import socket
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest

from cloud.contract import CameraState
from tests.doubles.network_camera import network_camera
from tests.edge.cloud_double import CloudDouble
from tests.edge.test_hangs import running, wait_for_heartbeat
from tests.edge.test_main import edge

pytestmark = pytest.mark.usefixtures("installed")


def test_a_live_camera_that_is_black_says_so_in_heartbeat_and_metric_and_judges_nobody(
    cloud: CloudDouble,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    black = cv2.imencode(".jpg", np.zeros((240, 320, 3), np.uint8))[1].tobytes()
    with (
        network_camera([black], 15) as address,
        running("-m", "edge", "run", "--source", f"http://{address}", EDGE_METRICS_PORT=str(port)),
    ):
        report = wait_for_heartbeat(cloud, lambda beat: "picture_black" in beat.problems)
        metrics = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
    assert report.camera is CameraState.LIVE
    # The alert MaskgateEdgePictureFault asks for this metric, and a gate's page for the problem.
    faults = [line for line in metrics if line.startswith("maskgate_edge_picture_fault{")]
    assert [line for line in faults if line.endswith(" 1.0")] == [
        line for line in faults if 'fault="picture_black"' in line
    ]
    assert faults
    assert cloud.events == []


def test_a_file_of_black_pictures_ends_with_an_error_that_names_it(tmp_path: Path) -> None:
    clip = tmp_path / "black.avi"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    for _ in range(20):
        writer.write(np.zeros((240, 320, 3), np.uint8))
    writer.release()
    result = edge("run", "--source", clip, "--as-fast-as-possible")
    assert result.exit_code == 1
    assert "SourceUnreadableError" in result.output
    assert "all of its 20 pictures are black" in " ".join(result.output.split())
