"""The index of passes: passes of events and manual passes, as one list, page by page.

Accepting an event has to be quick, so it writes nothing for this list: the pass is found in the
stream of events. Manual passes have a stream of their own. Both streams are read from the newest
entry on, and merged by the times of their entries' ids.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast
from uuid import UUID

import redis

from cloud.contract import Access, PassRecord, PassSource, PassStatus
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.records import Fields, StoredPass
from cloud.store.streams import BATCH, SCANNED_AT_MOST, Span, read_backwards

_MANUAL_OFFSET: Final = 10**15
"""Added to the sequence number of a manual pass: entries of two streams may have the same id, and
two places in the list may not. Redis counts the entries of one millisecond, far fewer than this."""


@dataclass(frozen=True, slots=True, order=True)
class _Place:
    """A place in the list, as a cursor writes it: `<ms>-<sequence number>`."""

    ms: int
    number: int

    @classmethod
    def read(cls, cursor: str) -> "_Place":
        ms, _, number = cursor.partition("-")
        return cls(int(ms), int(number))

    @classmethod
    def of(cls, entry_id: str, source: PassSource) -> "_Place":
        place = cls.read(entry_id)
        return place if source is PassSource.EVENT else cls(place.ms, place.number + _MANUAL_OFFSET)

    def in_stream(self, source: PassSource) -> str:
        """Return the id from which a stream is read on, for this place."""
        if source is PassSource.EVENT:
            return str(self)
        return f"{self.ms}-{max(self.number - _MANUAL_OFFSET, 0)}"

    def __str__(self) -> str:
        return f"{self.ms}-{self.number}"


@dataclass(frozen=True, slots=True)
class _Entry:
    place: _Place
    source: PassSource
    id: UUID
    """Of the event, or of the manual pass."""


@translates_redis_errors
class PassIndex:
    """All passes, the newest first.

    Manual passes of versions without a stream of them are not listed.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def page(
        self,
        *,
        now: datetime,
        gate: str | None = None,
        status: PassStatus | None = None,
        source: PassSource | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> tuple[list[PassRecord], str | None]:
        """Return up to `limit` passes as they are at `now`, and the cursor to read on from.

        Args:
            now: the present, by which a pass has expired or not.
            gate: of this gate alone.
            status: with this status alone.
            source: of this source alone.
            since: made then or later.
            until: made before then.
            before: the cursor of the page before.
            limit: how many at most.
        """
        sources = list(PassSource) if source is None else [source]
        span = Span.of(since, until)
        found: list[PassRecord] = []
        cursor, scanned = before, 0
        while True:
            # The status changes, with time alone too, so it is in the record and not in a stream.
            size = limit if status is None else BATCH
            entries, read_on = self._entries(gate, sources, span, cursor, size)
            for entry, held in self._passes(entries):
                record = held.record(now)
                if status not in {None, record.status}:
                    continue
                if len(found) == limit:
                    return found, cursor
                found.append(record)
                cursor = str(entry.place)
            scanned += len(entries) or SCANNED_AT_MOST
            if read_on is None or status is None or scanned >= SCANNED_AT_MOST:
                return found, read_on
            cursor = read_on

    def _entries(
        self,
        gate: str | None,
        sources: Sequence[PassSource],
        span: Span,
        before: str | None,
        limit: int,
    ) -> tuple[list[_Entry], str | None]:
        """Return up to `limit` entries of the streams, merged, and the cursor to read on from."""
        merged: list[_Entry] = []
        # Where a stream goes on, the list is complete only down to where that stream was read.
        known_to: list[_Place] = []
        for source in sources:
            of_events = source is PassSource.EVENT
            page = read_backwards(
                self._client,
                keyspace.events(gate) if of_events else keyspace.manual_passes(gate),
                None if before is None else _Place.read(before).in_stream(source),
                {b"access": Access.GRANTED.value} if of_events else {},
                limit,
                span=span,
            )
            merged += [
                _Entry(_Place.of(entry_id, source), source, UUID(fields[b"id"].decode()))
                for entry_id, fields in page.entries
            ]
            if page.next_cursor is not None:
                known_to.append(_Place.of(page.next_cursor, source))
        merged.sort(key=lambda entry: entry.place, reverse=True)
        oldest = max(known_to, default=None)
        entries = [entry for entry in merged if oldest is None or entry.place >= oldest][:limit]
        if len(entries) == limit and len(merged) > limit:
            return entries, str(entries[-1].place)
        return entries, None if oldest is None else str(oldest)

    def _passes(self, entries: Sequence[_Entry]) -> Iterator[tuple[_Entry, StoredPass]]:
        """Yield the passes of the entries; an entry may outlive its records for a while."""
        pipe = self._client.pipeline(transaction=False)
        for entry in entries:
            if entry.source is PassSource.EVENT:
                pipe.hget(keyspace.event(entry.id), "pass")
        of_events = iter(cast(list[bytes | None], pipe.execute()))
        ids: list[UUID | None] = []
        for entry in entries:
            if entry.source is PassSource.EVENT:
                held = next(of_events)
                ids.append(UUID(held.decode()) if held else None)
            else:
                ids.append(entry.id)
        for pass_id in ids:
            if pass_id is not None:
                pipe.hgetall(keyspace.pass_(pass_id))
        records = iter(cast(list[Fields], pipe.execute()))
        for entry, pass_id in zip(entries, ids, strict=True):
            fields = next(records) if pass_id is not None else None
            if pass_id is not None and fields:
                yield entry, StoredPass.read(pass_id, fields)
