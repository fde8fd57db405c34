"""Streams: reading them from the newest entry to the oldest, page by page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self, cast

import redis

from cloud.store.moments import to_ms
from cloud.store.records import Fields

BATCH = 200
"""Entries asked for at a time while a filter is on."""

SCANNED_AT_MOST = 5_000
"""Entries looked at for one page: a filter that matches next to nothing gives a short page and a
cursor to go on from, rather than a request that reads all of a month."""


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of one read, newest first, and where to read on (None at the stream's end)."""

    entries: list[tuple[str, Fields]]
    read_on: str | None


@dataclass(frozen=True, slots=True)
class Span:
    """The ends of a read, as Redis takes them; an entry's place begins with its time in ms."""

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
    """Return up to `limit` entries older than the cursor `before` whose fields are as `wanted`.

    `before` comes from an earlier read of the same span, so it lies in it.
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
