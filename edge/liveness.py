"""Signs of life for what watches this process: a file for a probe, and messages to systemd."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from edge import systemd
from edge.errors import EdgeError
from edge.state import write_private

_log = structlog.get_logger(__name__)

BEAT_S = 5.0
"""Seconds between two signs of life."""


class Liveness:
    """Gives signs of life while no part of the process is stuck, in a thread of its own.

    Args:
        file: Gets the time of each sign of life; None for no file.
        stuck: Returns the parts that are stuck now.
        status: Returns a line for `systemctl status`.
    """

    def __init__(
        self, file: Path | None, stuck: Callable[[], Sequence[str]], status: Callable[[], str]
    ) -> None:
        self._file = file
        self._stuck = stuck
        self._status = status
        self._is_ready = False
        self._file_failed = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="liveness", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Tell systemd that the process ends, and stop the thread."""
        systemd.notify(STOPPING="1")
        self._stop.set()
        self._thread.join()
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def beat(self) -> bool:
        """Give one sign of life, unless a part is stuck; return whether it was given."""
        if self._stuck():
            return False
        fields = {"WATCHDOG": "1", "STATUS": self._status()}
        if not self._is_ready:
            self._is_ready = True
            fields["READY"] = "1"
        systemd.notify(**fields)
        if self._file is not None:
            self._write(self._file)
        return True

    def _write(self, file: Path) -> None:
        try:
            # The monotonic clock of Linux is the same for all processes, and nobody sets it.
            write_private(f"{time.monotonic():.3f}\n", file)
        except EdgeError as error:
            if not self._file_failed:
                _log.error("heartbeat_file_not_written", error=str(error))
            self._file_failed = True
        else:
            self._file_failed = False

    def _run(self) -> None:
        within_s = systemd.watchdog_s()
        pause_s = BEAT_S if within_s is None else min(BEAT_S, within_s / 2)
        while True:
            self.beat()
            if self._stop.wait(pause_s):
                return


def age_s(file: Path) -> float:
    """Return the seconds since the last sign of life in a file.

    Args:
        file: That a running edge writes.

    Returns:
        Seconds, by the monotonic clock.

    Raises:
        EdgeError: There is no such file, or it holds no time of this boot.
    """
    try:
        age = time.monotonic() - float(file.read_text())
    except OSError as error:
        raise EdgeError(
            f"{file} cannot be read: {error.strerror}",
            "Is the edge running with EDGE_HEARTBEAT_FILE?",
        ) from error
    except ValueError:
        raise EdgeError(f"{file} holds no time") from None
    if age < 0:
        raise EdgeError(f"{file} was written before this computer started")
    return age
