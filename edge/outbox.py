"""The durable queue: events that the cloud has not acknowledged yet, in SQLite.

An event is on the disk when `put` returns (write-ahead log, synchronous=FULL), and stays until it
is acknowledged. One process writes, through one connection.
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
"""Of the tables; kept in `PRAGMA user_version`."""

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
    """An event that waits: its id, and its JSON as it will be posted."""

    id: UUID
    body: str


@dataclass(frozen=True, slots=True)
class RejectedEvent:
    """An event that the cloud will never accept, kept with the reason for people to see."""

    id: UUID
    body: str
    reason: str
    rejected_at: datetime


class Outbox:
    """The queue's one writer. Safe to use from several threads.

    Args:
        path: Of the database; made when missing, with its folder.
        most_pages: Bound of the database's size in pages of SQLite; None for the disk's own bound.

    Raises:
        OutboxBusyError: Another process has it open for writing.
        OutboxFullError: The disk is full.
        OutboxDamagedError: It cannot be opened, or is no outbox.
    """

    def __init__(self, path: Path, *, most_pages: int | None = None) -> None:
        self.path = path
        self._turn = threading.Lock()
        self._lock = _lock(path)
        try:
            with self._translated():
                self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
                try:
                    self._prepare(most_pages)
                except BaseException:
                    self._db.close()
                    raise
        except BaseException:
            self._lock.close()
            raise

    def _prepare(self, most_pages: int | None) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        if most_pages is not None:
            self._db.execute(f"PRAGMA max_page_count={int(most_pages)}")
        (edition,) = self._db.execute("PRAGMA user_version").fetchone()
        if edition == 0:
            self._db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version={EDITION}; COMMIT;")
        elif edition != EDITION:
            raise OutboxDamagedError(
                f"outbox {self.path} is of edition {edition}, this software knows {EDITION}",
                "Run the version that wrote it, or move the file away",
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
        """Let another process write."""
        with self._turn:
            self._db.close()
            self._lock.close()

    def put(self, event: Event) -> None:
        """Keep an event; on the disk when this returns. The same id again changes nothing.

        Raises:
            OutboxFullError: The disk is full; nothing was changed.
            OutboxDamagedError: It cannot be written.
        """
        with self._turn, self._translated():
            self._db.execute(
                "INSERT INTO waiting (id, body) VALUES (?, ?) ON CONFLICT (id) DO NOTHING",
                (str(event.id), event.model_dump_json()),
            )

    def peek(self) -> QueuedEvent | None:
        """The oldest event that waits, left where it is; None when there is none."""
        with self._turn, self._translated():
            row = self._db.execute("SELECT id, body FROM waiting ORDER BY place LIMIT 1").fetchone()
        return None if row is None else QueuedEvent(UUID(row[0]), row[1])

    def ack(self, event_id: UUID) -> None:
        """Forget an event that the cloud has acknowledged."""
        with self._turn, self._translated():
            self._db.execute("DELETE FROM waiting WHERE id = ?", (str(event_id),))

    def reject(self, event_id: UUID, reason: str) -> None:
        """Move an event that will never be accepted out of the way of the others, and keep it."""
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
        """Events that wait."""
        with self._turn, self._translated():
            return int(self._db.execute("SELECT count(*) FROM waiting").fetchone()[0])

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with _translated(self.path):
            yield


@dataclass(frozen=True, slots=True)
class Contents:
    """What an outbox holds, as somebody who only looks sees it."""

    depth: int
    rejected: list[RejectedEvent]


def inspect(path: Path) -> Contents:
    """Look into an outbox without writing to it, while another process may be using it.

    Raises:
        OutboxDamagedError: It is not there, or is no outbox.
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
    """Hold `<outbox>.lock` as long as this process lives; the kernel lets go of it after a kill."""
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
            "Stop it, or give this one a state folder of its own with EDGE_STATE_DIR",
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
            f"outbox {path} cannot grow: the disk is full", "Make room on the disk; nothing is lost"
        )
    return OutboxDamagedError(
        f"outbox {path} cannot be used: {error}",
        "Check the disk; if the file is damaged, move it away and keep it",
    )
