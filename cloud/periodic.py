"""Periodic tasks: what a process does again and again in the background until it ends."""

import threading
from collections.abc import Callable
from typing import Final

import structlog

from cloud import availability
from cloud.errors import StoreError

log = structlog.get_logger("cloud.periodic")

STORE_PAUSE_S: Final = 1.0
"""Least seconds from a call that found the store away to the next call."""

ERROR_PAUSE_S: Final = 5.0
"""Least seconds from a call that failed for a reason that nobody foresaw to the next call."""


class PeriodicTask:
    """Calls a function again and again until it is stopped, on a thread of its own.

    No error ends the task: it is logged, and the function is called again.

    Args:
        name: The name of the thread, and of the task in log lines.
        action: The function to call.
        interval_s: Seconds from the end of one call to the start of the next.
        at_once: Whether the first call comes at once, and not after the first interval.
        at_end: A function to call once, after the last call of `action`.
        tracks_store: Whether every call of `action` uses the store. A call that succeeds then
            shows that the store is back.
        stopping: The event that ends the task; the task makes one of its own by default.
    """

    def __init__(
        self,
        name: str,
        action: Callable[[], object],
        *,
        interval_s: float,
        at_once: bool = False,
        at_end: Callable[[], object] | None = None,
        tracks_store: bool = True,
        stopping: threading.Event | None = None,
    ) -> None:
        self.name = name
        self.stopping = stopping or threading.Event()
        self._action = action
        self._interval_s = interval_s
        self._at_once = at_once
        self._at_end = at_end
        self._tracks_store = tracks_store
        self._thread = threading.Thread(target=self.run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout_s: float | None = 5.0) -> None:
        """Let the call that is under way end, and wait for that.

        Args:
            timeout_s: Seconds to wait at most; None waits for as long as the call takes.
        """
        self.stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def run(self) -> None:
        """Repeat the action on the caller's own thread until `stopping` is set."""
        pause_s = 0.0 if self._at_once else self._interval_s
        while not self.stopping.wait(pause_s):
            pause_s = max(self._interval_s, self._call(self._action))
        if self._at_end is not None:
            self._call(self._at_end)

    def _call(self, function: Callable[[], object]) -> float:
        """Call a function, and return the least seconds until the next call."""
        try:
            function()
        except StoreError as error:
            if self._tracks_store:
                availability.of_the_store.lost(self.name, error)
            else:
                availability.of_the_store.mention(error, task=self.name)
            return STORE_PAUSE_S
        except Exception:
            log.exception("periodic_task_failed", task=self.name)
            return ERROR_PAUSE_S
        if self._tracks_store:
            availability.of_the_store.restored(self.name)
        return 0.0
