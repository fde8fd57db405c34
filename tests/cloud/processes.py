"""Real processes of the cloud, started as people start them."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[2]

START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 60.0


def environment(redis_url: str, **more: str) -> dict[str, str]:
    """The environment of a process, without any setting that this machine may have."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLOUD_")}
    return {**kept, "CLOUD_REDIS_URL": redis_url, "PYTHONUNBUFFERED": "1", **more}


class Process:
    """A process whose log is kept in a file."""

    def __init__(self, running: subprocess.Popen[bytes], log: Path) -> None:
        self.running = running
        self._log = log

    @property
    def log(self) -> str:
        return self._log.read_text()


@contextmanager
def process(
    *arguments: str, env: Mapping[str, str], log: Path, package: str = "cloud"
) -> Iterator[Process]:
    """Run `python -m cloud …`, or another package, for the length of a `with`."""
    with log.open("wb") as file:
        running = subprocess.Popen(
            [sys.executable, "-m", package, *arguments], env=env, cwd=ROOT, stdout=file, stderr=file
        )
        try:
            yield Process(running, log)
        finally:
            running.terminate()
            try:
                running.wait(timeout=STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


def wait_until_it_answers(address: str, path: str = "/healthz") -> None:
    """Return once an API answers 200; fail after a while."""
    deadline = time.monotonic() + START_TIMEOUT_S
    with httpx.Client(base_url=address, timeout=5) as client:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if client.get(path).status_code == httpx.codes.OK:
                    return
            assert time.monotonic() < deadline, f"{address}{path} does not answer"
            time.sleep(0.02)


def wait_until(true: Callable[[], bool]) -> None:
    """Return once something is true; fail after a while."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while not true():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.02)
