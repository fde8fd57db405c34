"""The stage: all processes of Maskgate on this machine, started by honcho from the Procfile."""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
from rich.console import Console

from cloud.client import Client
from cloud.contract import Channel, NewGate, NewKey, NewSubscriber, Role
from demo.part import Part, Parts, Running

ROOT: Final = Path(__file__).resolve().parent.parent
PROCFILE: Final = ROOT / "demo" / "Procfile"
GATE: Final = "front-door"
START_TIMEOUT_S: Final = 60.0


class StageError(Exception):
    """Some part of the demo did not start, or ended before its time. The message says which."""


def free_port(wanted: int) -> int:
    """The wanted port of 127.0.0.1, or another when somebody listens there."""
    for port in (wanted, 0):
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            return int(listener.getsockname()[1])
    raise StageError("this machine has no free port on 127.0.0.1")


class _Signals:
    """SIGINT and SIGTERM, which do nothing from `ignore` to `heed`."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}

    def ignore(self) -> None:
        """Let parts end in order, however often Ctrl-C is pressed."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, signal.SIG_IGN)

    def heed(self) -> None:
        """Do what was done before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


@dataclass
class Stage:
    """Where the demo keeps its state, and where its parts listen.

    Args:
        state: folder for Redis' append-only file, the edge's outbox and the demo's keys.
        console: where the parts' lines are shown.
    """

    state: Path
    redis_port: int = field(default_factory=lambda: free_port(6390))
    api_port: int = field(default_factory=lambda: free_port(8000))
    dashboard_port: int = field(default_factory=lambda: free_port(8501))
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    console: Console = field(default_factory=lambda: Console(stderr=True), repr=False)
    _running: list[Part] = field(default_factory=list, init=False, repr=False)

    @property
    def api_url(self) -> str:
        """Where the API answers."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def dashboard_url(self) -> str:
        """Where the dashboard's pages are."""
        return f"http://127.0.0.1:{self.dashboard_port}"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep the state to this process: two Redis servers would spoil one append-only file.

        Raises:
            StageError: another demo runs on the same state.
        """
        self.state.parent.mkdir(parents=True, exist_ok=True)
        with self.state.with_name(f"{self.state.name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StageError(
                    f"another demo runs on {self.state}: end it, or give this one its own --state"
                ) from error
            yield

    def environment(self) -> dict[str, str]:
        """What every process of the demo is started with. Variables that are set already win."""
        own = {
            "CLOUD_REDIS_URL": f"redis://127.0.0.1:{self.redis_port}/0",
            "CLOUD_REDIS_DIR": str(self.state / "redis"),
            "CLOUD_HOST": "127.0.0.1",
            "CLOUD_PORT": str(self.api_port),
            "CLOUD_LOG_LEVEL": "warning",
            "EDGE_CLOUD_URL": self.api_url,
            "EDGE_STATE_DIR": str(self.state / "edge"),
            "DASHBOARD_API_URL": self.api_url,
            "STREAMLIT_LOGGER_HIDE_WELCOME_MESSAGE": "true",  # the demo says where to look
            "DEMO_DASHBOARD_PORT": str(self.dashboard_port),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }
        if "dashboard" in self.keys:
            own["DASHBOARD_API_KEY"] = self.keys["dashboard"]
        ours_alone = {"PATH", "PYTHONPATH", "CLOUD_REDIS_URL", "CLOUD_PORT", "EDGE_CLOUD_URL"}
        return {**own, **os.environ, **{name: own[name] for name in ours_alone}}

    @contextlib.contextmanager
    def running(self, *names: str, **extra: str) -> Iterator[Parts]:
        """Run the named lines of the Procfile, each after the one before it.

        At the end the last is stopped first, and each has ended before the next is stopped: nothing
        outlives what it uses.
        """
        signals, started = _Signals(), []
        with contextlib.ExitStack() as ends:
            ends.callback(signals.heed)
            for name in names:
                environment = {**self.environment(), **extra}
                part = Part(name, PROCFILE, environment, self.console)
                self._running.append(part)
                started.append(part)
                ends.callback(self._running.remove, part)
                ends.callback(part.stop)
            ends.callback(signals.ignore)
            yield Parts(started)

    def check(self) -> None:
        """See that all parts run.

        Raises:
            StageError: one has ended by itself. It is named, with its last lines.
        """
        for part in self._running:
            status = part.poll()
            if status is not None:
                raise StageError(
                    f"{part.name} ended by itself, with status {status}; its last lines:\n"
                    f"{part.last_lines}"
                )

    def wait_for_the_end_of(self, parts: Parts, timeout_s: float) -> None:
        """Wait until the last of them has done what it had to do.

        Raises:
            StageError: it failed, it takes longer, or another part has ended by itself.
        """
        give_up = time.monotonic() + timeout_s
        while parts.poll() is None:
            self.check()
            if time.monotonic() > give_up:
                raise StageError(f"{parts.names} did not end within {timeout_s:.0f} s")
            time.sleep(0.1)
        if parts.poll() != 0:
            self.check()

    def wait_for(self, url: str, process: Running, what: str) -> None:
        """Wait until `url` answers 200.

        Raises:
            StageError: a part ended, or nothing answered within START_TIMEOUT_S.
        """
        give_up = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < give_up:
            self.check()
            if process.poll() is not None:
                raise StageError(f"{what} ended while starting")
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(url, timeout=2).status_code == httpx.codes.OK:
                    return
            time.sleep(0.1)
        raise StageError(f"{what} did not answer at {url} within {START_TIMEOUT_S:.0f} s")

    def _command(self, *words: str) -> str:
        """Run `python -m …` with the demo's environment and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", *words],
            env=self.environment(),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise StageError(f"python -m {' '.join(words[:3])} failed; its lines above say why")
        return done.stdout

    def prepare(self) -> None:
        """Make keys, the gate and its subscribers, and enrol the device; once for each state.

        Raises:
            StageError: a command failed.
            ClientError: the API did not answer.
        """
        kept = self.state / "keys.json"
        if kept.exists():
            self.keys = json.loads(kept.read_text())
            return
        issued = json.loads(
            self._command("cloud", "keys", "create", "demo", "--role", Role.ADMIN, "--json")
        )
        keys = {"admin": issued["key"]}
        with Client(self.api_url, keys["admin"]) as api:
            api.create_gate(NewGate(id=GATE, name="Front door"))
            for name, role in (("dashboard", Role.OPERATOR), ("scanner", Role.SCANNER)):
                bound = GATE if role is Role.SCANNER else None
                new = NewKey(name=f"demo {name}", role=role, gate=bound)
                keys[name] = api.create_key(new).key
            chat = os.environ.get("DEMO_TELEGRAM_CHAT", "1")
            for channel, address in (
                (Channel.TELEGRAM, chat),
                (Channel.EMAIL, "guard@example.org"),
            ):
                api.create_subscriber(GATE, NewSubscriber(channel=channel, address=address))
            code = api.create_enrolment_code(GATE)
        self._command("edge", "enrol", "--code", code.code, "--name", "demo camera")
        kept.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(keys, file)
        self.keys = keys

    def device_key(self) -> str:
        """The key that the enrolled device keeps in its state folder."""
        kept = json.loads((self.state / "edge" / "device.json").read_text())
        return str(kept["device_key"])
