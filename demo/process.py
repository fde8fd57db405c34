"""A part of the demo: one line of the Procfile, run by honcho."""

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
"""So many lines of a part that failed are shown again."""

_COLOURS: Final = {
    "redis": "red",
    "api": "cyan",
    "worker": "magenta",
    "dashboard": "blue",
    "edge": "green",
}

_LINE: Final = re.compile(r"\S+ (?P<name>\S+) *\| ?(?P<text>.*)")
"""Time, name and text, as honcho writes them; `system` is honcho itself."""

STOPPED: Final = frozenset({0, -signal.SIGTERM, 128 + signal.SIGTERM})
"""Statuses of a part that ended because it was told to."""


class Running(Protocol):
    """Something that runs, and ends at some time."""

    def poll(self) -> int | None:
        """Its status; None while it runs."""


class Part:
    """One process of Maskgate, with its children; its lines are shown as they come.

    Args:
        name: of its line in the Procfile.
        procfile: the Procfile.
        environment: of the process.
        console: where its lines are shown.
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
        # A session of its own: Ctrl-C at the terminal reaches the demo, which stops parts in order.
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
        """The process above the part's own."""
        return self._process.pid

    @property
    def last_lines(self) -> str:
        """What it wrote last."""
        return "\n".join(self._last)

    def poll(self) -> int | None:
        """Its status; None while it runs."""
        return self._process.poll()

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait until it ends, and return its status.

        Raises:
            subprocess.TimeoutExpired: it runs for longer.
        """
        return self._process.wait(timeout_s)

    def stop(self) -> None:
        """Tell it to end, and wait until it has. What it says of that is shown if it goes wrong."""
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
        # Whatever it has started may still hold the other end.
        self._reader.join(timeout=1)
        if not ended_before and status not in STOPPED:
            said = f"{self.name} ended with status {status}; its last lines:"
            self._console.print(Text(f"{said}\n{self.last_lines}", style="yellow"))

    def _read(self) -> None:
        with cast(IO[bytes], self._process.stdout) as written:
            for raw in written:
                found = _LINE.fullmatch(raw.decode(errors="replace").rstrip())
                if found is None or found["name"] == "system" or not found["text"].strip():
                    continue
                self._last.append(found["text"])
                if not self._stopping:
                    line = Text(f"{self.name:<9} | ", style=_COLOURS.get(self.name, ""))
                    line.append(found["text"], style="default")
                    self._console.print(line, soft_wrap=True, highlight=False)


class Parts:
    """Parts that were started one after the other.

    Args:
        parts: in that order.
    """

    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts

    @property
    def pid(self) -> int:
        """Of the first."""
        return self._parts[0].pid

    @property
    def names(self) -> str:
        """Theirs."""
        return ", ".join(each.name for each in self._parts)

    def poll(self) -> int | None:
        """Status of one that has ended; None while all run."""
        return next((each.poll() for each in self._parts if each.poll() is not None), None)

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait until the last ends, and return its status.

        Raises:
            subprocess.TimeoutExpired: it runs for longer.
        """
        return self._parts[-1].wait(timeout_s)
