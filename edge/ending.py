"""The end of a process that may hang: a time limit after SIGTERM, and an exit that never waits."""

import os
import signal
import socket
import sys
import threading
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import structlog

from edge.stages import Stages

_log = structlog.get_logger(__name__)

HUNG: Final = 4
"""Exit code of a process that ended itself because one of its parts did not return."""

STOP_TIMEOUT_S: Final = 4.5
"""Seconds between SIGTERM and the forced end: with the exit itself less than 5."""


def end_process(code: int) -> None:
    """End this process now, although native code may hang in some thread.

    Args:
        code: The exit code.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


class StopDeadline:
    """Ends the process STOP_TIMEOUT_S after SIGTERM or SIGINT, for the length of a `with`.

    Python calls a signal's handler in the main thread, between two steps of the interpreter. While
    native code hangs there, no handler runs. But the interpreter writes the signal's number to a
    socket at once (`signal.set_wakeup_fd`), and a thread reads it.

    Args:
        timeout_s: Seconds after the first signal.
    """

    def __init__(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        self.stages = Stages()
        self._timeout_s = timeout_s
        self._ended = threading.Event()
        self._reader, self._writer = socket.socketpair()
        self._thread = threading.Thread(target=self._wait, name="stop-deadline", daemon=True)
        self._before = -1

    def __enter__(self) -> Self:
        self._writer.setblocking(False)
        self._before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.set_wakeup_fd(self._before)
        self._ended.set()
        with suppress(OSError):
            self._writer.send(b"\0")
        self._thread.join()
        self._reader.close()
        self._writer.close()

    def _wait(self) -> None:
        stops = {signal.SIGINT, signal.SIGTERM}
        while not self._ended.is_set():
            if stops.isdisjoint(self._reader.recv(64)):
                continue
            if not self._ended.wait(self._timeout_s):
                _log.critical("stop_forced", after_s=self._timeout_s, busy=self.stages.busy())
                end_process(HUNG)
