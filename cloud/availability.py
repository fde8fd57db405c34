"""A store that is away: one line when it goes, and one when it is back, whoever notices."""

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

log = structlog.get_logger("cloud.store")

REMIND_S: Final = 60.0
"""Least seconds between two lines about what failed while the store was away."""


class Availability:
    """What a process knows of a store that is away.

    Many parts of a process use the store, and each tries again, some twice a second. The first that
    fails says so; when all that failed have succeeded again, the last says that.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._parts: set[str] = set()
        self._since = 0.0
        self._said_at: float | None = None

    def lost(self, part: str, error: Exception) -> None:
        """A part could not use the store, and will try again.

        Args:
            part: which; a part says `over` when it could.
            error: what it was told.
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
        """A part could use the store."""
        if part not in self._parts:
            return
        with self._lock:
            self._parts.discard(part)
            if self._parts:
                return
            away_s = self._clock() - self._since
        log.info("store_back", away_s=round(away_s, 1))

    def mention(self, error: Exception, **fields: object) -> None:
        """Something failed since the store is away, and nobody will say when that is over."""
        with self._lock:
            now = self._clock()
            if self._said_at is not None and now - self._said_at < REMIND_S:
                write = log.debug
            else:
                self._said_at = now
                write = log.warning
        write("store_unavailable", error=str(error), **fields)


of_the_store: Final = Availability()
"""The one of this process."""
