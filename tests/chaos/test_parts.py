import os
import time
from pathlib import Path

import psutil
import pytest

from chaos.parts import Part

PATIENCE_S = 60.0


@pytest.fixture
def part(tmp_path: Path) -> Part:
    """A process that waits for its end."""
    return Part("waits", ("http.server", "0", "--bind", "127.0.0.1"), os.environ, tmp_path / "log")


def _process(part: Part) -> psutil.Process:
    assert part._process is not None
    return psutil.Process(part._process.pid)


def test_it_is_killed_and_started_again(part: Part) -> None:
    part.start()
    first = _process(part)
    assert part.kill() is not None
    assert not first.is_running()
    assert not part.running
    assert part.kill() is None
    part.start()
    assert _process(part).pid != first.pid
    part.stop()
    assert not part.running


def test_it_is_paused_and_goes_on(part: Part) -> None:
    part.start()
    part.pause()
    _wait_for(part, psutil.STATUS_STOPPED)
    part.resume()
    _wait_for(part, psutil.STATUS_SLEEPING)
    part.pause()
    part.stop()


def _wait_for(part: Part, status: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while _process(part).status() != status:
        assert time.monotonic() < deadline, _process(part).status()
        time.sleep(0.02)


def test_what_ended_by_itself_is_told_and_started_again(tmp_path: Path) -> None:
    part = Part("ends", ("no_such_module",), os.environ, tmp_path / "log")
    part.start()
    deadline = time.monotonic() + PATIENCE_S
    while (code := part.look_after()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert code == 1
    assert part.running
    assert "no_such_module" in (tmp_path / "log").read_text()
    part.kill()
    assert part.look_after() is None
