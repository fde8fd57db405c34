import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from edge import liveness, systemd
from edge.__main__ import app
from edge.errors import EdgeError
from edge.liveness import Liveness


def alive(file: Path, stuck: list[str]) -> Liveness:
    return Liveness(file, lambda: stuck, lambda: "camera live")


def test_a_sign_of_life_is_in_the_file_until_the_end(tmp_path: Path) -> None:
    file = tmp_path / "alive"
    signs = alive(file, [])
    signs.start()
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert liveness.age_s(file) < 60
    signs.stop()
    assert not file.exists()


def test_a_stuck_part_gives_no_sign_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[dict[str, str]] = []
    monkeypatch.setattr(systemd, "notify", lambda **fields: sent.append(fields))
    stuck: list[str] = []
    signs = alive(tmp_path / "alive", stuck)
    assert signs.beat()
    assert signs.beat()
    stuck.append("inference")
    (tmp_path / "alive").unlink()
    assert not signs.beat()
    assert not (tmp_path / "alive").exists()
    assert sent == [
        {"WATCHDOG": "1", "STATUS": "camera live", "READY": "1"},
        {"WATCHDOG": "1", "STATUS": "camera live"},
    ]


def test_a_file_that_cannot_be_written_is_said_once_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    signs = alive(tmp_path / "file" / "alive", [])
    with capture_logs() as lines:
        assert signs.beat()
        assert signs.beat()
    assert [line["event"] for line in lines] == ["heartbeat_file_not_written"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [(None, "cannot be read"), ("no time", "holds no time"), ("1e12", "before this computer")],
)
def test_a_file_without_a_time_of_this_boot_is_no_sign_of_life(
    tmp_path: Path, text: str | None, problem: str
) -> None:
    file = tmp_path / "alive"
    if text is not None:
        file.write_text(text)
    with pytest.raises(EdgeError, match=problem):
        liveness.age_s(file)


def test_the_probe_fails_where_the_last_sign_of_life_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def probe() -> int:
        return CliRunner().invoke(app, ["alive", "--max-age", "30"]).exit_code

    assert probe() == 1  # EDGE_HEARTBEAT_FILE is not set
    file = tmp_path / "alive"
    monkeypatch.setenv("EDGE_HEARTBEAT_FILE", str(file))
    file.write_text(f"{time.monotonic()}")
    assert probe() == 0
    file.write_text(f"{time.monotonic() - 31}")
    assert probe() == 1
