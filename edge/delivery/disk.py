"""The outbox's place on the disk, and what is done where the disk fails.

A damaged database is set aside, a full disk gets the space reserve back, and a disk that cannot be
written is tried again later.
"""

import fcntl
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import structlog

from edge.delivery import salvage
from edge.delivery.database import EDITION, OutboxDatabase
from edge.delivery.space_reserve import SpaceReserve
from edge.errors import (
    OutboxBusyError,
    OutboxDamagedError,
    OutboxError,
    OutboxFullError,
    OutboxUnwritableError,
)

_log = structlog.get_logger(__name__)

RETRY_S = 10.0
"""Seconds between two attempts to use a disk again."""

_LEAST_FREE_BYTES = 128 << 10
"""Space below which an error of input or output counts as a full disk: SQLite needs 32 KiB for its
index of the log, and some pages."""

_ATTEMPTS = 4
"""Attempts at one piece of work: the file may be damaged, and the disk full after that."""

DAMAGE_REPORTED_S = 86_400.0
"""Seconds for which a damaged file that was set aside is a problem of the device."""


class Disk:
    """The database of an outbox, as long as the disk can be used. Calls must not overlap.

    Args:
        path: Of the database; it is created with its folder if it does not exist.
        on_error: Is called with each error, once when it begins.
        max_pages: Largest size of the database in pages of SQLite; None for no limit.
        reserve_bytes: Size of the file that keeps space for a full disk.
        clock: Returns monotonic seconds.

    Attributes:
        is_full: Whether the disk is full, or has too little space for the reserve.
        openings: How often a database was opened; each opening may bring another file.

    Raises:
        OutboxBusyError: Another process has opened the outbox for writing.
        OutboxEditionError: Another version of this software wrote the outbox.
    """

    def __init__(
        self,
        path: Path,
        on_error: Callable[[OutboxError], None],
        *,
        max_pages: int | None,
        reserve_bytes: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._on_error = on_error
        self._max_pages = max_pages
        self._clock = clock
        self._reserve = SpaceReserve(path.with_name(f"{path.name}.reserve"), reserve_bytes)
        self._marker = path.with_name(f"{path.name}.lock")
        self._lock: IO[str] | None = None
        self._database: OutboxDatabase | None = None
        self._retry_at = clock() + RETRY_S
        self._failure_reported = False
        self.is_full = False
        self.openings = 0
        self._attach()

    @property
    def is_usable(self) -> bool:
        """Whether the database is open."""
        return self._database is not None

    @property
    def was_damaged(self) -> bool:
        """Whether a damaged file was set aside within the last day, and is still there."""
        with suppress(OSError):
            for newest in salvage.damaged_files(self._path)[-1:]:
                now = datetime.now(UTC).timestamp()
                return now - newest.stat().st_ctime < DAMAGE_REPORTED_S
        return False

    def do(self, work: Callable[[OutboxDatabase], None]) -> bool:
        """Do some work with the database, again after an error that could be overcome.

        Returns:
            Whether the work is done. If not, nothing was changed.
        """
        for _ in range(_ATTEMPTS):
            if self._database is None:
                return False
            try:
                work(self._database)
            except OutboxFullError as error:
                if not self._begin_full(error):
                    return False
            except OutboxDamagedError as error:
                self._replace(error)
            except OutboxUnwritableError as error:
                full = self._as_full()
                if full is None or not self._begin_full(full):
                    self._give_up(full or error)
            else:
                if self.is_full and self._database is not None:
                    # The log could otherwise take the space that the database needs.
                    self._database.shrink_log()
                return True
        return False

    def retry(self) -> bool:
        """Try a disk that failed again, and take the reserve again.

        Returns:
            Whether it was time for that.
        """
        now = self._clock()
        if now < self._retry_at:
            return False
        self._retry_at = now + RETRY_S
        if self._database is None:
            self._attach()
        elif not self._reserve.is_held:
            self._hold_reserve()
        return True

    def end_full(self) -> None:
        """Note that nothing waits for space any more."""
        if self.is_full and self._reserve.is_held:
            self.is_full = False
            _log.info("disk_has_space")

    def close(self) -> None:
        """Close the database, and let another process write."""
        self._close_database()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _attach(self, *, is_new: bool = False) -> None:
        """Open the database if that is possible; a new file that is damaged is not replaced."""
        try:
            self._open()
        except OutboxDamagedError as error:
            if is_new:
                self._give_up(error)
            else:
                self._replace(error)
        except OutboxFullError as error:
            if self._begin_full(error):
                self._attach(is_new=is_new)
            else:
                self._give_up(error)
        except OutboxUnwritableError as error:
            full = self._as_full()
            if full is not None and self._begin_full(full):
                self._attach(is_new=is_new)
            else:
                self._give_up(full or error)
        except OSError as error:
            unwritable = _unwritable(self._path, error)
            self._give_up(self._as_full() or unwritable)
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        """Open the database.

        Raises:
            OutboxDamagedError: The outbox is damaged, or has vanished.
            OutboxError: As `OutboxDatabase`.
            OSError: The folder cannot be written.
        """
        if self._lock is None:
            self._lock = _locked(self._path, self._marker)
        salvage.finish(self._path)
        if vanished(self._path):
            raise OutboxDamagedError(f"outbox {self._path} is empty or gone; there was one before")
        self._database = OutboxDatabase(self._path, max_pages=self._max_pages)
        self.openings += 1
        if not self._marker.stat().st_size:
            with suppress(OSError):
                self._lock.write(f"{EDITION}\n")
                self._lock.flush()
        if self._failure_reported:
            self._failure_reported = False
            _log.info("outbox_on_disk_again", file=str(self._path))
        self._hold_reserve()

    def _close_database(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _give_up(self, error: OutboxError) -> None:
        """Go on without the disk, until `retry` has success."""
        self._close_database()
        self.is_full = self.is_full or isinstance(error, OutboxFullError)
        if not self._failure_reported:
            self._failure_reported = True
            self._on_error(error)
            _log.error("outbox_in_memory", error=str(error))

    def _replace(self, error: OutboxDamagedError) -> None:
        """Set the damaged file aside, and open a new one."""
        self._close_database()
        self._on_error(error)
        try:
            aside, saved = salvage.set_aside(self._path)
        except OutboxFullError as failed:
            if self._begin_full(failed):
                self._attach()
            else:
                self._give_up(failed)
            return
        except OutboxError as failed:
            self._give_up(failed)
            return
        except OSError as failed:
            self._give_up(_unwritable(self._path, failed))
            return
        _log.error("outbox_set_aside", file=str(aside), saved=saved, error=str(error))
        self._attach(is_new=True)

    def _begin_full(self, error: OutboxFullError) -> bool:
        """Note that the disk is full, and make room; return whether there is more now."""
        if not self.is_full:
            self.is_full = True
            self._on_error(error)
            _log.error("disk_full", error=str(error))
        released = self._reserve.release()
        shrunk = self._database is not None and self._database.shrink_log()
        return released or shrunk

    def _as_full(self) -> OutboxFullError | None:
        """Return the error of a full disk if the disk is full: SQLite does not always say so."""
        with suppress(OSError):
            if shutil.disk_usage(self._path.parent).free < _LEAST_FREE_BYTES:
                return OutboxFullError(
                    f"the disk of {self._path} is full", "Free space on the disk"
                )
        return None

    def _hold_reserve(self) -> None:
        if not self._reserve.hold():
            self._begin_full(
                OutboxFullError(
                    f"the disk of {self._path} has hardly any space left", "Free space on the disk"
                )
            )


def vanished(path: Path) -> bool:
    """Return whether there was an outbox before, and its file is empty or gone."""
    marker = path.with_name(f"{path.name}.lock")
    had_one = marker.exists() and marker.stat().st_size > 0
    return had_one and not (path.exists() and path.stat().st_size > 0)


def _unwritable(path: Path, error: OSError) -> OutboxUnwritableError:
    return OutboxUnwritableError(
        f"outbox folder {path.parent} cannot be written: {error.strerror}",
        "Check EDGE_STATE_DIR, its owner and its disk; events wait in memory meanwhile",
    )


def _locked(path: Path, marker: Path) -> IO[str]:
    """Lock a file for this process; the kernel releases the lock even after a kill.

    Args:
        path: Of the outbox, for the message.
        marker: The file to lock. It also says that the outbox exists.

    Returns:
        The open file, which holds the lock until it is closed.

    Raises:
        OSError: The folder cannot be written.
        OutboxBusyError: Another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = marker.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise OutboxBusyError(
            f"another process uses the outbox {path}",
            "Stop that process, or give this one another folder with EDGE_STATE_DIR",
        ) from error
    return file
