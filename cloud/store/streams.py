"""Streams: reading them from the newest entry to the oldest, page by page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self, cast

import redis

from cloud.store.moments import to_ms
from cloud.store.records import Fields

BATCH = 200
"""Entries of one read while a filter is on."""

SCANNED_AT_MOST = 5_000
"""Entries that are read for one page at most. A filter that matches few entries gives a short page
with a cursor to read on from, rather than a request that reads the entries of a month."""


@dataclass(frozen=True, slots=True)
class Page:
    """Entries, newest first, and the cursor of the next page (None at the stream's end)."""

    entries: list[tuple[str, Fields]]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Span:
    """The ends of a read, as Redis takes them; the id of an entry begins with its time in ms."""

    oldest: str = "-"
    newest: str = "+"

    @classmethod
    def of(cls, since: datetime | None, until: datetime | None) -> Self:
        """Return the entries from `since` up to before `until`."""
        return cls(
            "-" if since is None else str(max(to_ms(since), 0)),
            "+" if until is None else f"({max(to_ms(until), 1)}-0",
        )


def read_backwards(
    client: redis.Redis,
    stream: str,
    before: str | None,
    wanted: Mapping[bytes, str],
    limit: int,
    *,
    span: Span = Span(),
) -> Page:
    """Return a page of entries, newest first.

    Args:
        client: the connection.
        stream: the key of the stream.
        before: the cursor of the page before, which was read with the same span; None for the
            first page.
        wanted: fields and values that an entry must have.
        limit: how many entries at most.
        span: the span of time.

    Returns:
        The page.
    """
    matching: list[tuple[str, Fields]] = []
    cursor, scanned = before, 0
    while scanned < SCANNED_AT_MOST:
        count = BATCH if wanted else limit + 1
        newest = span.newest if cursor is None else f"({cursor}"
        entries = cast(
            list[tuple[bytes, Fields]],
            client.xrevrange(stream, max=newest, min=span.oldest, count=count),
        )
        for entry_id, fields in entries:
            if len(matching) == limit:
                return Page(matching, matching[-1][0])
            cursor = entry_id.decode()
            scanned += 1
            if all(fields.get(name) == value.encode() for name, value in wanted.items()):
                matching.append((cursor, fields))
        if len(entries) < count:
            return Page(matching, None)
    return Page(matching, cursor)
