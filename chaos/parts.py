"""The parts of the world: real processes, each of which can be killed, paused and started again."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from demo.deployment import ROOT

STOP_TIMEOUT_S = 20.0


class Part:
    """A process of `python -m …`, whose log is appended to a file.

    Args:
        name: as people and the plan call it.
        command: the words after `python -m`.
        environment: all of it.
        log: the file that takes both of its streams.
    """

    def __init__(
        self, name: str, command: tuple[str, ...], environment: Mapping[str, str], log: Path
    ) -> None:
        self.name = name
        self.ended_by_itself = 0
        self._command = command
        self._environment = environment
        self._log = log
        self._turn = threading.RLock()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether the part was started, and not killed or stopped since."""
        return self._process is not None

    def start(self) -> None:
        """Start the part, unless it runs."""
        with self._turn:
            if self._process is not None:
                return
            with self._log.open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", *self._command],
                    env=self._environment,
                    cwd=ROOT,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def kill(self) -> float | None:
        """Kill the part with SIGKILL; return when (monotonic clock), or None if it was down."""
        with self._turn:
            process, self._process = self._process, None
            if process is None:
                return None
            at = time.monotonic()
            process.kill()
            process.wait()
            return at

    def pause(self) -> None:
        """Stop the part (SIGSTOP), with its connections open, until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the part continue (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def look_after(self) -> int | None:
        """Start the part again if it ended by itself; return its exit code."""
        with self._turn:
            code = self._process.poll() if self._process is not None else None
            if code is None:
                return None
            self.ended_by_itself += 1
            self._process = None
            self.start()
            return code

    def stop(self) -> None:
        """End the part as a service manager does: SIGTERM, and SIGKILL if that takes too long."""
        with self._turn:
            process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGCONT)
            process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with self._turn:
            if self._process is not None:
                self._process.send_signal(number)
