"""A real Redis with a replica, and a sentinel that promotes the replica."""

import contextlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from tests.doubles.redis_server import RedisServer, free_port, program

SERVICE = "maskgate"
TIMEOUT_S = 60.0


class WatchedRedis:
    """A context manager; `fail_over` ends the master, and returns when the replica took over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("first", "second", "sentinel"):
            (folder / name).mkdir(parents=True)
        self.master = RedisServer(folder / "first")
        master = ("127.0.0.1", str(self.master.port))
        self.replica = RedisServer(folder / "second", "--replicaof", *master)
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis+sentinel://127.0.0.1:{self._port}/{SERVICE}/0"

    def fail_over(self) -> None:
        """End the master as a power cut does, once the replica has all of its data."""
        with self.master.client() as client:
            assert client.execute_command("WAIT", 1, 20_000) == 1
        self.master.stop()
        self._until(lambda: self._master_port() == self.replica.port)

    def __enter__(self) -> Self:
        self.master.start()
        self.replica.start()
        configuration = self._folder / "sentinel" / "sentinel.conf"
        configuration.write_text(
            f"port {self._port}\nbind 127.0.0.1\ndir {configuration.parent}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.master.port} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} 1000\n"
            f"sentinel failover-timeout {SERVICE} 5000\n"
        )
        self._process = subprocess.Popen(
            [program(), str(configuration), "--sentinel"],
            stdout=subprocess.DEVNULL,
        )
        self._until(self._knows_the_replica)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=20)
        self.replica.stop()
        self.master.stop()

    def _ask(self, *command: str) -> object:
        with redis.Redis(port=self._port, decode_responses=True) as client:
            return client.execute_command("SENTINEL", *command)

    def _master_port(self) -> int:
        found = self._ask("GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(found[1]) if isinstance(found, list | tuple) else 0

    def _knows_the_replica(self) -> bool:
        with redis.Redis(port=self._port) as client:
            known = client.sentinel_slaves(SERVICE)
            linked = [each for each in known if each["master-link-status"] == "ok"]
        return len(linked) == 1

    @staticmethod
    def _until(true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + TIMEOUT_S
        while True:
            with contextlib.suppress(redis.RedisError):
                if true():
                    return
            assert time.monotonic() < deadline, "the sentinel did not promote the replica in time"
            time.sleep(0.1)
