"""A deployment of Maskgate on this machine: its processes, started by honcho from the Procfile."""

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
from demo.process import DemoProcess, ProcessGroup, Running

ROOT: Final = Path(__file__).resolve().parent.parent
PROCFILE: Final = ROOT / "demo" / "Procfile"
GATE: Final = "front-door"
START_TIMEOUT_S: Final = 60.0


class DeploymentError(Exception):
    """A process of the demo did not start, or ended too early; the message names it."""


def free_port(wanted: int) -> int:
    """Find a free port of 127.0.0.1.

    Args:
        wanted: The port to return where it is free.

    Returns:
        The port.

    Raises:
        DeploymentError: No port is free.
    """
    for port in (wanted, 0):
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("127.0.0.1", port))
            return int(listener.getsockname()[1])
    raise DeploymentError("this machine has no free port on 127.0.0.1")


class _Signals:
    """The handlers of SIGINT and SIGTERM, which do nothing from `ignore` to `restore`."""

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}

    def ignore(self) -> None:
        """Let the processes end in order, however often Ctrl-C is pressed."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, signal.SIG_IGN)

    def restore(self) -> None:
        """Set the handlers that were set before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)


@dataclass
class Deployment:
    """The processes of Maskgate, their state and their ports.

    Args:
        state: The folder for Redis' append-only file, the edge's outbox and the demo's keys.
        redis_port: The port of Redis on 127.0.0.1.
        api_port: The port of the API on 127.0.0.1.
        dashboard_port: The port of the dashboard on 127.0.0.1.
        keys: The keys of the API by name: admin, dashboard, scanner.
        console: Shows the lines of the processes.
    """

    state: Path
    redis_port: int = field(default_factory=lambda: free_port(6390))
    api_port: int = field(default_factory=lambda: free_port(8000))
    dashboard_port: int = field(default_factory=lambda: free_port(8501))
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    console: Console = field(default_factory=lambda: Console(stderr=True), repr=False)
    _running: list[DemoProcess] = field(default_factory=list, init=False, repr=False)

    @property
    def api_url(self) -> str:
        """The address of the API."""
        return f"http://127.0.0.1:{self.api_port}"

    @property
    def dashboard_url(self) -> str:
        """The address of the dashboard."""
        return f"http://127.0.0.1:{self.dashboard_port}"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Lock the state: two Redis servers would spoil one append-only file.

        Yields:
            Nothing; the lock is held until the end of the block.

        Raises:
            DeploymentError: Another demo runs on the same state.
        """
        self.state.parent.mkdir(parents=True, exist_ok=True)
        with self.state.with_name(f"{self.state.name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DeploymentError(
                    f"another demo runs on {self.state}: end it, or give this one its own --state"
                ) from error
            yield

    def environment(self) -> dict[str, str]:
        """Return the environment of every process; variables that are set already win."""
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
        always_own = {"PATH", "PYTHONPATH", "CLOUD_REDIS_URL", "CLOUD_PORT", "EDGE_CLOUD_URL"}
        return {**own, **os.environ, **{name: own[name] for name in always_own}}

    @contextlib.contextmanager
    def running(self, *names: str, **extra: str) -> Iterator[ProcessGroup]:
        """Run the named lines of the Procfile, started one after the other.

        At the end the processes stop in the opposite order, and each has ended before the next is
        stopped: no process outlives one that it uses.

        Args:
            names: The names of the lines.
            extra: More environment variables of these processes.

        Yields:
            The processes.
        """
        signals, started = _Signals(), []
        with contextlib.ExitStack() as ends:
            ends.callback(signals.restore)
            for name in names:
                environment = {**self.environment(), **extra}
                process = DemoProcess(name, PROCFILE, environment, self.console)
                self._running.append(process)
                started.append(process)
                ends.callback(self._running.remove, process)
                ends.callback(process.stop)
            ends.callback(signals.ignore)
            yield ProcessGroup(started)

    def check(self) -> None:
        """Check that all processes run.

        Raises:
            DeploymentError: A process has ended by itself; the message has its last lines.
        """
        for process in self._running:
            status = process.poll()
            if status is not None:
                raise DeploymentError(
                    f"{process.name} ended by itself, with status {status}; its last lines:\n"
                    f"{process.last_lines}"
                )

    def wait_for_end(self, processes: ProcessGroup, timeout_s: float) -> None:
        """Wait until one of the processes has ended in order.

        Args:
            processes: The processes.
            timeout_s: The longest wait, in seconds.

        Raises:
            DeploymentError: A process failed, or none ended in time.
        """
        give_up = time.monotonic() + timeout_s
        while processes.poll() is None:
            self.check()
            if time.monotonic() > give_up:
                raise DeploymentError(f"{processes.names} did not end within {timeout_s:.0f} s")
            time.sleep(0.1)
        if processes.poll() != 0:
            self.check()

    def wait_for(self, url: str, process: Running, what: str) -> None:
        """Wait until an address answers 200.

        Args:
            url: The address.
            process: The process that answers there.
            what: The name of that process in an error.

        Raises:
            DeploymentError: A process ended, or no server answered within START_TIMEOUT_S.
        """
        give_up = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < give_up:
            self.check()
            if process.poll() is not None:
                raise DeploymentError(f"{what} ended while starting")
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(url, timeout=2).status_code == httpx.codes.OK:
                    return
            time.sleep(0.1)
        raise DeploymentError(f"{what} did not answer at {url} within {START_TIMEOUT_S:.0f} s")

    def _command(self, *words: str) -> str:
        """Run `python -m …` with the demo's environment, and return its standard output."""
        done = subprocess.run(
            [sys.executable, "-m", *words],
            env=self.environment(),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DeploymentError(
                f"python -m {' '.join(words[:3])} failed: the lines above say why"
            )
        return done.stdout

    def prepare(self) -> None:
        """Make the keys, the gate and its subscribers, and enrol the device; once for a state.

        Raises:
            DeploymentError: A command failed.
            ClientError: The API did not answer.
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
        """Return the key of the enrolled device, which the edge keeps in its state folder."""
        kept = json.loads((self.state / "edge" / "device.json").read_text())
        return str(kept["device_key"])
