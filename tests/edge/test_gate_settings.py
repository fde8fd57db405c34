from pathlib import Path

import pytest
from structlog.testing import capture_logs

from cloud.contract import DeviceSettings, GateSettings
from edge import gate_settings

TOLD = DeviceSettings(gate="main", settings=GateSettings(votes=9, max_faces=2), revision=4)


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "gate-settings.json"
    assert gate_settings.load(path, "main") is None
    gate_settings.save(TOLD, path)
    assert gate_settings.load(path, "main") == TOLD


def test_settings_of_another_gate_are_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "gate-settings.json"
    gate_settings.save(TOLD, path)
    assert gate_settings.load(path, "side") is None


@pytest.mark.parametrize("content", ["", "{}", '{"gate": "main", "revision": -1}', "\x00"])
def test_a_damaged_file_is_logged_and_left_out(tmp_path: Path, content: str) -> None:
    path = tmp_path / "gate-settings.json"
    path.write_text(content)
    with capture_logs() as logs:
        assert gate_settings.load(path, "main") is None
    assert [(line["event"], line["file"]) for line in logs] == [("settings_unreadable", str(path))]


def test_a_disk_that_cannot_be_written_is_logged_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with capture_logs() as logs:
        gate_settings.save(TOLD, tmp_path / "file" / "gate-settings.json")
    assert [line["event"] for line in logs] == ["settings_not_kept"]
