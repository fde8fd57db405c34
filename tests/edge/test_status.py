"""`python -m edge status` shows the edge that runs here, or says that none does."""

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cloud.contract import DeviceProblem
from edge.__main__ import app
from edge.capture.picture_faults import PictureFault
from edge.delivery.database import OutboxDatabase
from edge.health import Health, serve_metrics
from edge.stages import Stage
from tests.doubles.redis_server import free_port


def status(*options: str) -> Result:
    return CliRunner().invoke(app, ["status", *options])


def health_of_one_camera() -> Health:
    health = Health()
    health.gauge("online", "1 while the cloud answers", lambda: 0)
    health.gauge("outbox_depth", "Events that wait", lambda: 7)
    health.gauge("heartbeat_age_seconds", "Age", lambda: float("nan"))
    health.gauge("camera_stalled", "1 while stalled", lambda: 1)
    health.gauge("camera_silent_seconds", "Age", lambda: 12.5)
    health.gauge("frames_per_second", "Rate", lambda: 0.5)
    health.gauge("stage_busy_seconds", "Busy", lambda: 12.5, stage=Stage.READ)
    health.gauge("picture_fault", "Fault", lambda: 1, fault=PictureFault.BLACK)
    health.report_problems(DeviceProblem, lambda: [DeviceProblem.CAMERA_LOST])
    return health


def test_the_metrics_of_a_running_edge_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("EDGE_METRICS_PORT", str(port))
    stop = serve_metrics(health_of_one_camera(), "127.0.0.1", port)
    try:
        shown, machine = status(), status("--json")
    finally:
        stop()
    assert shown.exit_code == 0, shown.output
    for words in ("stalled", "12.5 s", "black", "7 events wait", "none taken yet", "camera_lost"):
        assert words in shown.output
    found = json.loads(machine.output)
    assert found["cameras"][0]["name"] == "main"
    assert found["heartbeat_s"] is None
    assert found["problems"] == ["camera_lost"]
    after = status("--json")
    assert after.exit_code == 1
    assert f"no edge runs here: port {port} does not answer" in after.output


def test_without_metrics_the_files_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "alive"
    monkeypatch.setenv("EDGE_HEARTBEAT_FILE", str(file))
    monkeypatch.setenv("EDGE_STATE_DIR", str(tmp_path))
    assert "is not written" in status().output
    file.write_text(f"{time.monotonic()}")
    assert json.loads(status("--json").output)["waiting"] is None
    OutboxDatabase(tmp_path / "outbox.db").close()
    found = json.loads(status("--json").output)
    assert (found["waiting"], found["problems"], found["cameras"]) == (0, None, [])
    assert "0 events wait" in status("--once").output
    file.write_text(f"{time.monotonic() - 300}")
    late = status()
    assert late.exit_code == 1
    assert "no edge runs here" in late.output


def test_nothing_to_read_is_said_with_the_settings_that_are_missing() -> None:
    result = status()
    assert result.exit_code == 1
    assert "EDGE_METRICS_PORT and EDGE_HEARTBEAT_FILE are not set" in result.output


def test_another_program_at_the_port_is_no_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("EDGE_METRICS_PORT", str(port))
    stop = serve_metrics(Health(), "127.0.0.1", port)
    try:
        result = status()
    finally:
        stop()
    assert result.exit_code == 1
    assert "serves no metrics of an edge" in result.output
