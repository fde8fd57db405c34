"""A process of the demo: one line of the Procfile, run by honcho."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final, Protocol, cast

from rich.console import Console
from rich.text import Text

STOP_TIMEOUT_S: Final = 15.0
LAST_LINES: Final = 15
"""Lines of a process that are shown again when it has failed."""

_COLOURS: Final = {
    "redis": "red",
    "api": "cyan",
    "worker": "magenta",
    "dashboard": "blue",
    "edge": "green",
}

_LINE: Final = re.compile(r"\S+ (?P<name>\S+) *\| ?(?P<text>.*)")
"""The time, the name and the text of a line of honcho; the name `system` is honcho itself."""

STOPPED: Final = frozenset({0, -signal.SIGTERM, 128 + signal.SIGTERM})
"""The exit statuses of a process that ended because it was told to."""


class Running(Protocol):
    """A process, or several, that run until they end."""

    def poll(self) -> int | None:
        """Return the exit status; None while it runs."""


class DemoProcess:
    """One process of Maskgate with its children. The console shows its lines as they come.

    Args:
        name: The name of its line in the Procfile.
        procfile: The Procfile.
        environment: The environment variables of the process.
        console: Shows the lines.
    """

    def __init__(
        self, name: str, procfile: Path, environment: Mapping[str, str], console: Console
    ) -> None:
        self.name = name
        self._console = console
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._stopping = False
        root = procfile.parent.parent
        honcho = Path(sys.executable).with_name("honcho")
        # In a session of its own the process gets no Ctrl-C: the demo stops the processes in order.
        self._process = subprocess.Popen(
            [str(honcho), "--procfile", str(procfile), "--app-root", str(root), "start", name],
            env=environment,
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name=f"lines of {name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The id of honcho's process, whose child is the process itself."""
        return self._process.pid

    @property
    def last_lines(self) -> str:
        """The lines that the process wrote last."""
        return "\n".join(self._last)

    def poll(self) -> int | None:
        """Return the exit status; None while the process runs."""
        return self._process.poll()

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait until the process ends.

        Args:
            timeout_s: The longest wait, in seconds; None for ever.

        Returns:
            The exit status.

        Raises:
            subprocess.TimeoutExpired: The process runs for longer.
        """
        return self._process.wait(timeout_s)

    def stop(self) -> None:
        """Stop the process, wait for its end, and show its last lines where it ended badly."""
        self._stopping = True
        ended_before = self._process.poll() is not None
        if not ended_before:
            self._process.send_signal(signal.SIGTERM)
        try:
            status = self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            status = self._process.wait()
        # A process that it has started may still hold the other end of the pipe.
        self._reader.join(timeout=1)
        if not ended_before and status not in STOPPED:
            text = f"{self.name} ended with status {status}; its last lines:"
            self._console.print(Text(f"{text}\n{self.last_lines}", style="yellow"))

    def _read(self) -> None:
        with cast(IO[bytes], self._process.stdout) as output:
            for raw in output:
                found = _LINE.fullmatch(raw.decode(errors="replace").rstrip())
                if found is None or found["name"] == "system" or not found["text"].strip():
                    continue
                self._last.append(found["text"])
                if not self._stopping:
                    line = Text(f"{self.name:<9} | ", style=_COLOURS.get(self.name, ""))
                    line.append(found["text"], style="default")
                    self._console.print(line, soft_wrap=True, highlight=False)


class ProcessGroup:
    """Processes that were started one after the other.

    Args:
        processes: The processes, in that order.
    """

    def __init__(self, processes: list[DemoProcess]) -> None:
        self._processes = processes

    @property
    def pid(self) -> int:
        """The id of the first process."""
        return self._processes[0].pid

    @property
    def names(self) -> str:
        """The names of the processes."""
        return ", ".join(each.name for each in self._processes)

    def poll(self) -> int | None:
        """Return the exit status of a process that has ended; None while all run."""
        statuses = (each.poll() for each in self._processes)
        return next((status for status in statuses if status is not None), None)

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait until the last process ends.

        Args:
            timeout_s: The longest wait, in seconds; None for ever.

        Returns:
            The exit status of the last process.

        Raises:
            subprocess.TimeoutExpired: The process runs for longer.
        """
        return self._processes[-1].wait(timeout_s)
