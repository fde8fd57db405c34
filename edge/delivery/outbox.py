"""The outbox: a durable queue of the events that the cloud has not acknowledged yet.

When `put` returns True, the event is on the disk. It stays there until the cloud has acknowledged
it. One process writes.

A door goes on judging whatever its disk does: while the disk is full or cannot be written, events
wait in memory and are delivered from there.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

import structlog
from pydantic import ValidationError

from cloud.contract import DeviceProblem, Event
from edge.delivery import salvage
from edge.delivery.database import OutboxDatabase, Row
from edge.delivery.disk import Disk
from edge.delivery.space_reserve import RESERVE_BYTES
from edge.errors import EventDroppedError, EventUnreadableError, OutboxError

_log = structlog.get_logger(__name__)

MAX_IN_MEMORY = 10_000
"""Events that wait in memory while the disk cannot be written: about 10 MB."""

_AGE_CHECK_S = 3600.0
"""Seconds between two looks for events that are too old. The first look comes this long after the
start: a device that was off for long delivers first."""

_CLOCK_SET = datetime(2025, 1, 1, tzinfo=UTC)
"""A device without a clock of its own begins before this time; an event of such a time may be new.
"""

_BATCH = 1000
_DROPPED_AT_ONCE = 20
_UUIDV7 = 7


@dataclass(frozen=True, slots=True)
class QueuedEvent:
    """An event that waits, with the JSON that will be posted."""

    id: UUID
    body: str


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """The largest size of the database in bytes, and the largest age of an event in seconds."""

    size_bytes: int = 64 << 20
    age_s: float = 30 * 86_400.0


def _count_nothing(_error: OutboxError) -> None:
    """Ignore the error."""


class Outbox:
    """The only writer of the queue. Its methods may be called from several threads.

    Args:
        path: Of the database; it is created with its folder if it does not exist.
        limits: The oldest events make way where the outbox would pass them.
        on_error: Is called with each error that the outbox overcomes, for the metrics.
        max_pages: Largest size of the database in pages of SQLite; beyond it the disk counts as
            full. None for no limit.
        reserve_bytes: Size of the file that keeps space for a full disk.
        clock: Returns monotonic seconds.

    Raises:
        OutboxBusyError: Another process has opened the outbox for writing.
        OutboxEditionError: Another version of this software wrote the outbox.
    """

    def __init__(
        self,
        path: Path,
        *,
        limits: OutboxLimits | None = None,
        on_error: Callable[[OutboxError], None] = _count_nothing,
        max_pages: int | None = None,
        reserve_bytes: int = RESERVE_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._limits = limits or OutboxLimits()
        self._on_error = on_error
        self._clock = clock
        self._turn = threading.RLock()
        self._age_check_at = clock() + _AGE_CHECK_S
        # Events that are not on the disk, the oldest first.
        self._memory: OrderedDict[str, Row] = OrderedDict()
        # The oldest events of a disk that cannot be used now; None until they were read.
        self._copies: OrderedDict[str, Row] | None = None
        # Events on the disk that left the queue, but could not be deleted.
        self._undeleted: set[str] = set()
        # All events on the disk up to this place are in `_undeleted`.
        self._passed = 0
        self._opening = 0
        self._disk = Disk(
            path, on_error, max_pages=max_pages, reserve_bytes=reserve_bytes, clock=clock
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

    @property
    def problems(self) -> list[DeviceProblem]:
        """The names of what is wrong with the outbox now, for the heartbeat."""
        with self._turn:
            disk = self._disk
            found = [
                (DeviceProblem.DISK_FULL, disk.is_full),
                (DeviceProblem.STATE_NOT_WRITABLE, not (disk.is_usable or disk.is_full)),
                (DeviceProblem.OUTBOX_DAMAGED, disk.was_damaged),
            ]
        return [name for name, is_so in found if is_so]

    @property
    def in_memory(self) -> int:
        """How many events wait in memory alone."""
        with self._turn:
            return len(self._memory)

    def close(self) -> None:
        """Store what waits in memory if that is possible, and let another process write."""
        with self._turn:
            self._store_memory()
            if self._memory:
                _log.error("outbox_events_lost", count=len(self._memory))
            self._disk.close()

    def put(self, event: Event) -> bool:
        """Add an event to the queue. Adding the same id again changes nothing.

        Args:
            event: To be delivered.

        Returns:
            True if the event is on the disk; False if it waits in memory alone, because the disk
            cannot be written.
        """
        event_id = str(event.id)
        with self._turn:
            self._disk.do(self._make_room)
            if event_id not in (self._copies or {}):
                self._memory.setdefault(event_id, Row(0, event_id, event.model_dump_json()))
            self._store_memory()
            if len(self._memory) > MAX_IN_MEMORY:
                self._memory.popitem(last=False)
                self._count_dropped(1, f"{MAX_IN_MEMORY} events wait in memory")
            return event_id not in self._memory

    def peek(self) -> QueuedEvent | None:
        """Return the oldest event that waits, without removing it; None if no event waits.

        What is no event is moved into the table `rejected`.
        """
        with self._turn:
            while (row := self._oldest()) is not None:
                try:
                    return _checked(row)
                except EventUnreadableError as error:
                    _log.error("event_unreadable", event_id=row.id, error=str(error))
                    self._on_error(error)
                    self._take_out(row.id, str(error))
            return None

    def ack(self, event_id: UUID) -> None:
        """Delete an event that the cloud has acknowledged."""
        with self._turn:
            self._take_out(str(event_id), None)

    def reject(self, event_id: UUID, reason: str) -> None:
        """Move an event that the cloud will never accept into the table `rejected`."""
        with self._turn:
            self._take_out(str(event_id), reason)

    def depth(self) -> int:
        """Return how many events wait."""
        depth = 0

        def count(database: OutboxDatabase) -> None:
            nonlocal depth
            depth = max(0, database.depth() - len(self._undeleted))

        with self._turn:
            if not self._disk.do(count):
                depth = len(self._copied())
            return depth + len(self._memory)

    def maintain(self) -> None:
        """Use the disk again if that is possible now, and drop what is too old.

        The courier calls this regularly.
        """
        with self._turn:
            if self._disk.retry():
                self._store_memory()
                self._delete_undeleted()
                if not self._memory and not self._undeleted:
                    self._disk.end_full()
            now = self._clock()
            if now >= self._age_check_at:
                self._age_check_at = now + _AGE_CHECK_S
                self._disk.do(self._drop_old)

    # The order: first the events on the disk, or their copies, and then the events in memory.

    def _oldest(self) -> Row | None:
        found: list[Row] = []

        def read(database: OutboxDatabase) -> None:
            if self._opening != self._disk.openings:
                self._opening = self._disk.openings
                self._passed = 0
                self._copies = None
            while (rows := database.rows(self._passed, 1)) and rows[0].id in self._undeleted:
                self._passed = rows[0].place
            found[:] = rows

        if not self._disk.do(read):
            found = list(islice(self._copied().values(), 1))
        return found[0] if found else next(iter(self._memory.values()), None)

    def _copied(self) -> OrderedDict[str, Row]:
        """Return the oldest events of a disk that cannot be used; reading it may work still."""
        if self._copies is None:
            rows = (row for row in salvage.rows_in(self.path) if row.id not in self._undeleted)
            self._copies = OrderedDict((row.id, row) for row in islice(rows, _BATCH))
        return self._copies

    def _take_out(self, event_id: str, reason: str | None) -> None:
        """Remove an event from the queue; with a reason it is kept in the table `rejected`."""
        if self._memory.pop(event_id, None) is not None:
            if reason is not None:
                _log.error("rejected_event_not_kept", event_id=event_id, reason=reason)
            return

        def remove(database: OutboxDatabase) -> None:
            if reason is None:
                database.delete([event_id])
            else:
                database.reject(event_id, reason)

        if self._disk.do(remove):
            self._delete_undeleted()
            return
        if reason is not None:
            _log.error("rejected_event_not_kept", event_id=event_id, reason=reason)
        self._undeleted.add(event_id)
        if self._copies is not None:
            was_full = len(self._copies) == _BATCH
            self._copies.pop(event_id, None)
            if not self._copies and was_full:
                self._copies = None  # the next events of the disk are read

    def _store_memory(self) -> None:
        """Move the events in memory to the disk, as many as fit."""
        size = _BATCH
        while self._memory and size:
            rows = list(islice(self._memory.values(), size))

            def add(database: OutboxDatabase, rows: list[Row] = rows) -> None:
                database.add((row.id, row.body) for row in rows)

            if not self._disk.do(add):
                if not self._disk.is_usable:
                    return
                size = min(size, len(rows)) // 2
                continue
            for row in rows:
                del self._memory[row.id]

    def _delete_undeleted(self) -> None:
        ids = list(self._undeleted)
        if ids and self._disk.do(lambda database: database.delete(ids)):
            self._undeleted.clear()
            self._passed = 0

    def _make_room(self, database: OutboxDatabase) -> None:
        """Drop the oldest events while the database has its largest size; rejected ones first."""
        while database.used_bytes() >= self._limits.size_bytes:
            if database.delete_oldest_rejected(_DROPPED_AT_ONCE):
                continue
            dropped = database.delete_oldest(_DROPPED_AT_ONCE)
            if not dropped:
                return
            self._count_dropped(dropped, f"the outbox has {self._limits.size_bytes >> 20} MiB")

    def _drop_old(self, database: OutboxDatabase) -> None:
        """Drop the events that have waited too long."""
        now = datetime.now(UTC)

        def is_old(row: Row) -> bool:
            made_at = _made_at(row.id, now)
            return made_at > _CLOCK_SET and (now - made_at).total_seconds() > self._limits.age_s

        while old := [row.id for row in database.rows(0, _BATCH) if is_old(row)]:
            database.delete(old)
            self._count_dropped(len(old), f"older than {self._limits.age_s / 86_400:g} days")

    def _count_dropped(self, count: int, reason: str) -> None:
        _log.error("outbox_events_dropped", count=count, reason=reason)
        for _ in range(count):
            self._on_error(EventDroppedError(f"an event was dropped: {reason}"))


def _checked(row: Row) -> QueuedEvent:
    """Return the event of a row.

    Raises:
        EventUnreadableError: The row holds no event.
    """
    try:
        event = Event.model_validate_json(row.body)
    except ValidationError as error:
        flaw = error.errors(include_url=False, include_input=False)[0]
        raise EventUnreadableError(f"no event: {flaw['msg']}") from None
    if str(event.id) != row.id:
        raise EventUnreadableError(f"the event says that its id is {event.id}")
    return QueuedEvent(event.id, row.body)


def _made_at(event_id: str, otherwise: datetime) -> datetime:
    """Return the time in a UUIDv7 (RFC 9562 section 5.7), or `otherwise` if the id is none."""
    try:
        parsed = UUID(event_id)
    except ValueError:
        return otherwise
    if parsed.version != _UUIDV7:
        return otherwise
    return datetime.fromtimestamp((parsed.int >> 80) / 1000, UTC)
