"""The availability of the store: one log line when it is lost, and one when it is back."""

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger("cloud.store")

REMIND_S: Final = 60.0
"""The least seconds between two lines about failures while the store is away."""


class Availability:
    """Logs the availability of the store for a whole process.

    Many parts of a process use the store, and each tries again, some twice a second. The first part
    that fails logs `store_away`. Once every part that failed has succeeded again, the last of them
    logs `store_back`.

    Args:
        clock: Returns seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._parts: set[str] = set()
        self._since = 0.0
        self._said_at: float | None = None

    def lost(self, part: str, error: Exception) -> None:
        """Note that a part could not use the store and will try again.

        Args:
            part: The name of the part. The part calls `restored` once it succeeds.
            error: The error.
        """
        with self._lock:
            first = not self._parts
            self._parts.add(part)
            if first:
                self._since = self._said_at = self._clock()
        if first:
            log.warning("store_away", part=part, error=str(error))
        else:
            log.debug("store_still_away", part=part, error=str(error))

    def restored(self, part: str) -> None:
        """Note that a part could use the store."""
        if part not in self._parts:
            return
        with self._lock:
            self._parts.discard(part)
            if self._parts:
                return
            away_s = self._clock() - self._since
        log.info("store_back", away_s=round(away_s, 1))

    def mention(self, error: Exception, **fields: object) -> None:
        """Log a failure that nobody will report as over; once a minute at most."""
        with self._lock:
            now = self._clock()
            if self._said_at is not None and now - self._said_at < REMIND_S:
                write = log.debug
            else:
                self._said_at = now
                write = log.warning
        write("store_unavailable", error=str(error), **fields)


of_the_store: Final = Availability()
"""The availability of the store for this process."""
