"""The database of the outbox: tables in SQLite, and its errors as errors of the edge.

The write-ahead log is on and synchronous=FULL, so what was written survives a power cut.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edge.errors import (
    OutboxDamagedError,
    OutboxEditionError,
    OutboxError,
    OutboxFullError,
    OutboxUnwritableError,
)

EDITION = 1
"""Version of the tables, kept in `PRAGMA user_version`."""

MAX_REJECTED = 1000
"""Rejected events that are kept for a person to read; the oldest make way."""

_CHECKPOINT_PAGES = 100
"""Pages of the write-ahead log after which SQLite copies them into the database. With SQLite's
default of 1000 the log would need 4 MiB, more than the space reserve has."""

_TABLES = """
CREATE TABLE waiting (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL
) STRICT;
CREATE TABLE rejected (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    reason TEXT NOT NULL,
    rejected_at TEXT NOT NULL
) STRICT;
"""

_DAMAGE = frozenset(
    {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_SCHEMA}
)
"""Result codes of a damaged file (https://sqlite.org/rescode.html). The statements here are right,
so a plain SQLITE_ERROR says that a table is missing."""

_UNREADABLE = frozenset(
    {
        sqlite3.SQLITE_IOERR_READ,
        sqlite3.SQLITE_IOERR_SHORT_READ,
        sqlite3.SQLITE_IOERR_CORRUPTFS,
    }
)
"""Extended result codes of a file of which a part cannot be read."""


@dataclass(frozen=True, slots=True)
class Row:
    """An event that waits, as it is in the database; nobody has checked its text yet."""

    place: int
    id: str
    body: str


@dataclass(frozen=True, slots=True)
class RejectedEvent:
    """An event that can never be delivered, kept with the reason for a person to read."""

    id: str
    body: str
    reason: str
    rejected_at: datetime


@dataclass(frozen=True, slots=True)
class Contents:
    """What an outbox holds: the number of waiting events, and the rejected events."""

    depth: int
    rejected: list[RejectedEvent]


class OutboxDatabase:
    """One connection to the database. Calls must not overlap.

    Args:
        path: Of the file; it is created if it does not exist. Its folder exists.
        max_pages: Largest size of the database in pages of SQLite; None for no limit.

    Raises:
        OutboxDamagedError: The file is no sound outbox.
        OutboxEditionError: Another version wrote the outbox.
        OutboxFullError: The disk is full.
        OutboxUnwritableError: The file cannot be written.
    """

    def __init__(self, path: Path, *, max_pages: int | None = None) -> None:
        self.path = path
        with _translated(path):
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            try:
                self._prepare(max_pages)
            except BaseException:
                self._db.close()
                raise

    def _prepare(self, max_pages: int | None) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        # A deleted event leaves no copy behind, so a damaged file gives back no delivered event.
        self._db.execute("PRAGMA secure_delete=ON")
        if max_pages is not None:
            self._db.execute(f"PRAGMA max_page_count={int(max_pages)}")
        (edition,) = self._db.execute("PRAGMA user_version").fetchone()
        if edition not in {0, EDITION}:
            raise OutboxEditionError(
                f"outbox {self.path} has edition {edition}; this software knows {EDITION} alone",
                "Run the version that wrote the outbox, or move the file away",
            )
        (verdict,) = self._db.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise OutboxDamagedError(f"outbox {self.path} is damaged: {verdict}")
        if edition == 0:
            self._db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version={EDITION}; COMMIT;")
        for table in ("waiting", "rejected"):
            self._db.execute(f"SELECT count(*) FROM {table} LIMIT 1")  # noqa: S608

    def close(self) -> None:
        """Close the connection; an error of the disk changes nothing about that."""
        try:
            self._db.close()
        except sqlite3.Error:
            return

    def shrink_log(self) -> bool:
        """Move the write-ahead log into the database; return whether that gave space back."""
        log = self.path.with_name(f"{self.path.name}-wal")
        try:
            before = log.stat().st_size
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return log.stat().st_size < before
        except (OSError, sqlite3.Error):
            return False

    def add(self, events: Iterable[tuple[str, str]]) -> None:
        """Add events, given as id and body, all or none. An id that waits already is left out."""
        with self._transaction():
            self._db.executemany(
                "INSERT INTO waiting (id, body) VALUES (?, ?) ON CONFLICT (id) DO NOTHING", events
            )

    def rows(self, after: int, limit: int) -> list[Row]:
        """Return the oldest events behind a place."""
        with _translated(self.path):
            found = self._db.execute(
                "SELECT place, id, body FROM waiting WHERE place > ? ORDER BY place LIMIT ?",
                (after, limit),
            ).fetchall()
        return [Row(*each) for each in found]

    def delete(self, ids: Iterable[str]) -> None:
        """Delete events that wait, all or none."""
        with self._transaction():
            self._db.executemany("DELETE FROM waiting WHERE id = ?", [(each,) for each in ids])

    def delete_oldest(self, count: int) -> int:
        """Delete the oldest events that wait; return how many there were."""
        with self._transaction():
            return self._db.execute(
                "DELETE FROM waiting WHERE place IN"
                " (SELECT place FROM waiting ORDER BY place LIMIT ?)",
                (count,),
            ).rowcount

    def delete_oldest_rejected(self, count: int) -> int:
        """Delete the oldest rejected events; return how many there were."""
        with self._transaction():
            return self._db.execute(
                "DELETE FROM rejected WHERE id IN"
                " (SELECT id FROM rejected ORDER BY rejected_at LIMIT ?)",
                (count,),
            ).rowcount

    def reject(self, event_id: str, reason: str) -> None:
        """Move an event into the table `rejected`."""
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO rejected (id, body, reason, rejected_at)"
                " SELECT id, body, ?, ? FROM waiting WHERE id = ?",
                (reason, datetime.now(UTC).isoformat(), event_id),
            )
            self._db.execute("DELETE FROM waiting WHERE id = ?", (event_id,))
            self._db.execute(
                "DELETE FROM rejected WHERE id IN"
                " (SELECT id FROM rejected ORDER BY rejected_at DESC LIMIT -1 OFFSET ?)",
                (MAX_REJECTED,),
            )

    def depth(self) -> int:
        """Return how many events wait."""
        with _translated(self.path):
            return int(self._db.execute("SELECT count(*) FROM waiting").fetchone()[0])

    def used_bytes(self) -> int:
        """Return the bytes of the pages that hold something."""
        with _translated(self.path):
            (pages,), (free,), (size,) = (
                self._db.execute(f"PRAGMA {name}").fetchone()
                for name in ("page_count", "freelist_count", "page_size")
            )
        return int(size) * (int(pages) - int(free))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _translated(self.path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


def inspect(path: Path) -> Contents:
    """Read an outbox without writing to it. Another process may use the outbox meanwhile.

    Args:
        path: Of the database.

    Returns:
        What the outbox holds.

    Raises:
        OutboxDamagedError: The file does not exist, or is no sound outbox.
    """
    with _opened_to_read(path) as db:
        (verdict,) = db.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise OutboxDamagedError(f"outbox {path} is damaged: {verdict}")
        depth = _depth(db)
        rows = db.execute(
            "SELECT id, body, reason, rejected_at FROM rejected ORDER BY rejected_at"
        ).fetchall()
    return Contents(
        depth,
        [
            RejectedEvent(each_id, body, reason, datetime.fromisoformat(at))
            for each_id, body, reason, at in rows
        ],
    )


def count_waiting(path: Path) -> int:
    """Count the events that wait, without writing. Another process may use the outbox meanwhile.

    Args:
        path: Of the database.

    Returns:
        How many events wait.

    Raises:
        OutboxDamagedError: The file does not exist, or is no sound outbox.
    """
    with _opened_to_read(path) as db:
        return _depth(db)


def _depth(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM waiting").fetchone()[0])


@contextmanager
def _opened_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.exists():
        raise OutboxDamagedError(f"outbox {path} does not exist")
    with (
        _translated(path),
        closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db,
    ):
        yield db


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(path, error) from error


def _translate(path: Path, error: sqlite3.Error) -> OutboxError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE)
    # The low byte of an extended result code is the result code.
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return OutboxFullError(
            f"outbox {path} cannot grow: the disk is full",
            "Free space on the disk; no event is lost",
        )
    if code & 0xFF in _DAMAGE or code in _UNREADABLE:
        return OutboxDamagedError(
            f"outbox {path} is damaged: {error}",
            "`python -m edge run` sets the file aside, and saves what can still be read",
        )
    return OutboxUnwritableError(
        f"outbox {path} cannot be used: {error}",
        "Check EDGE_STATE_DIR, its owner and its disk; events wait in memory meanwhile",
    )
