"""The outbox: a durable queue in SQLite of the events that the cloud has not acknowledged yet.

When `put` returns, the event is on the disk (write-ahead log, synchronous=FULL). It stays there
until the cloud has acknowledged it. One process writes, through one connection.
"""

import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from uuid import UUID

from cloud.contract import Event
from edge.errors import OutboxBusyError, OutboxDamagedError, OutboxError, OutboxFullError

EDITION = 1
"""Version of the tables, kept in `PRAGMA user_version`."""

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


@dataclass(frozen=True, slots=True)
class QueuedEvent:
    """An event that waits, with the JSON that will be posted."""

    id: UUID
    body: str


@dataclass(frozen=True, slots=True)
class RejectedEvent:
    """An event that the cloud will never accept, kept with the reason for a person to read."""

    id: UUID
    body: str
    reason: str
    rejected_at: datetime


class Outbox:
    """The only writer of the queue. Its methods may be called from several threads.

    Args:
        path: Of the database; it is created with its folder if it does not exist.
        max_pages: Largest size of the database in pages of SQLite; None for no limit.

    Raises:
        OutboxBusyError: Another process has opened the outbox for writing.
        OutboxFullError: The disk is full.
        OutboxDamagedError: The file cannot be opened, or is no outbox.
    """

    def __init__(self, path: Path, *, max_pages: int | None = None) -> None:
        self.path = path
        self._turn = threading.Lock()
        self._lock = _lock(path)
        try:
            with self._translated():
                self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
                try:
                    self._prepare(max_pages)
                except BaseException:
                    self._db.close()
                    raise
        except BaseException:
            self._lock.close()
            raise

    def _prepare(self, max_pages: int | None) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        if max_pages is not None:
            self._db.execute(f"PRAGMA max_page_count={int(max_pages)}")
        (edition,) = self._db.execute("PRAGMA user_version").fetchone()
        if edition == 0:
            self._db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version={EDITION}; COMMIT;")
        elif edition != EDITION:
            raise OutboxDamagedError(
                f"outbox {self.path} has edition {edition}; this software knows {EDITION} alone",
                "Run the version that wrote the outbox, or move the file away",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database, and let another process write."""
        with self._turn:
            self._db.close()
            self._lock.close()

    def put(self, event: Event) -> None:
        """Store an event on the disk. Storing the same id again changes nothing.

        Args:
            event: To be delivered.

        Raises:
            OutboxFullError: The disk is full; nothing was changed.
            OutboxDamagedError: The database cannot be written.
        """
        with self._turn, self._translated():
            self._db.execute(
                "INSERT INTO waiting (id, body) VALUES (?, ?) ON CONFLICT (id) DO NOTHING",
                (str(event.id), event.model_dump_json()),
            )

    def peek(self) -> QueuedEvent | None:
        """Return the oldest event that waits, without removing it; None if no event waits."""
        with self._turn, self._translated():
            row = self._db.execute("SELECT id, body FROM waiting ORDER BY place LIMIT 1").fetchone()
        return None if row is None else QueuedEvent(UUID(row[0]), row[1])

    def ack(self, event_id: UUID) -> None:
        """Delete an event that the cloud has acknowledged."""
        with self._turn, self._translated():
            self._db.execute("DELETE FROM waiting WHERE id = ?", (str(event_id),))

    def reject(self, event_id: UUID, reason: str) -> None:
        """Move an event that the cloud will never accept into the table `rejected`."""
        with self._turn, self._translated():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.execute(
                    "INSERT OR REPLACE INTO rejected (id, body, reason, rejected_at)"
                    " SELECT id, body, ?, ? FROM waiting WHERE id = ?",
                    (reason, datetime.now(UTC).isoformat(), str(event_id)),
                )
                self._db.execute("DELETE FROM waiting WHERE id = ?", (str(event_id),))
                self._db.execute("COMMIT")
            except sqlite3.Error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def depth(self) -> int:
        """Return how many events wait."""
        with self._turn, self._translated():
            return int(self._db.execute("SELECT count(*) FROM waiting").fetchone()[0])

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with _translated(self.path):
            yield


@dataclass(frozen=True, slots=True)
class Contents:
    """What an outbox holds: the number of waiting events, and the rejected events."""

    depth: int
    rejected: list[RejectedEvent]


def inspect(path: Path) -> Contents:
    """Read an outbox without writing to it. Another process may use the outbox meanwhile.

    Args:
        path: Of the database.

    Returns:
        What the outbox holds.

    Raises:
        OutboxDamagedError: The file does not exist, or is no outbox.
    """
    with _translated(path):
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            (depth,) = db.execute("SELECT count(*) FROM waiting").fetchone()
            rows = db.execute(
                "SELECT id, body, reason, rejected_at FROM rejected ORDER BY rejected_at"
            ).fetchall()
        finally:
            db.close()
    return Contents(
        int(depth),
        [
            RejectedEvent(UUID(row[0]), row[1], row[2], datetime.fromisoformat(row[3]))
            for row in rows
        ],
    )


def _lock(path: Path) -> IO[str]:
    """Lock `<outbox>.lock` for this process; the kernel releases the lock even after a kill.

    Returns:
        The open file, which holds the lock until it is closed.

    Raises:
        OutboxDamagedError: The folder cannot be written.
        OutboxBusyError: Another process holds the lock.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_name(f"{path.name}.lock").open("a")
    except OSError as error:
        raise OutboxDamagedError(
            f"outbox folder {path.parent} cannot be written: {error.strerror}",
            "Check EDGE_STATE_DIR, its owner and its disk",
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise OutboxBusyError(
            f"another process uses the outbox {path}",
            "Stop that process, or give this one another folder with EDGE_STATE_DIR",
        ) from error
    return file


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(path, error) from error


def _translate(path: Path, error: sqlite3.Error) -> OutboxError:
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_FULL:
        return OutboxFullError(
            f"outbox {path} cannot grow: the disk is full",
            "Free space on the disk; no event is lost",
        )
    return OutboxDamagedError(
        f"outbox {path} cannot be used: {error}",
        "Check the disk; if the file is damaged, move it away and keep it",
    )
