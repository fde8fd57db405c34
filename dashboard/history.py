"""The newest events and deliveries that match a filter, read page by page.

The API does the filtering. It bounds how much one call looks at, so a page may be short, or empty,
and still have a `next`: a rare match in a long history takes many calls. A table is drawn anew
every few seconds, so a search is cut into parts: each drawing reads on where the one before ended.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from cloud.client import Page, Unread
from cloud.contract import Access, Delivery, DeliveryStatus, EventRecord, Label
from dashboard.client import PAGE_LIMIT, Client

T = TypeVar("T", EventRecord, Delivery)

PAGES = 10
"""Pages that one drawing of a table reads from the newest on, and as many further back."""

PAGES_IN_ALL = 200
"""Pages after which a search stops and waits to be told to go on. Where a filter is on, the API
looks at up to 5,000 entries for a page: this many pages are a million."""

STALE_AFTER = timedelta(minutes=1)
"""A search that was not drawn for so long (its tab was hidden) begins anew: what came meanwhile may
be more than one drawing reads."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to show. None is any.

    Attributes:
        gate: Of this gate alone.
        access: With this answer alone.
        label: With this verdict alone.
        since: Accepted by the cloud then or later.
        until: Accepted by the cloud before then.
        last: Accepted within so long before now; takes the place of `since`.
    """

    gate: str | None = None
    access: Access | None = None
    label: Label | None = None
    since: datetime | None = None
    until: datetime | None = None
    last: timedelta | None = None

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything of the chosen gates out."""
        parts = (self.access, self.label, self.since, self.until, self.last)
        return any(part is not None for part in parts)


@dataclass(slots=True)
class Search(Generic[T]):
    """How far a search has come; kept from one drawing of its table to the next.

    Attributes:
        subject: What is searched for.
        found: All that was found so far, newest first.
        cursor: Where to read on, further back.
        ended: Nothing is further back.
        pages: Pages read further back so far.
        allowed: Pages after which it stops.
        drawn_at: When it last went on.
    """

    subject: Hashable = None
    found: list[T | Unread] = field(default_factory=list)
    cursor: str | None = None
    ended: bool = False
    pages: int = 0
    allowed: int = PAGES_IN_ALL
    drawn_at: datetime | None = None

    @property
    def stopped(self) -> bool:
        """Whether it waits to be told to go on."""
        return not self.ended and self.pages >= self.allowed

    def go_on(self) -> None:
        """Allow as many pages again."""
        self.allowed = self.pages + PAGES_IN_ALL

    def serves(self, subject: Hashable, now: datetime) -> bool:
        """Whether it is about this subject, and was drawn lately."""
        fresh = self.drawn_at is None or now - self.drawn_at < STALE_AFTER
        return fresh and self.subject == subject

    def read_further(self, page: Callable[[str | None], Page[T]], limit: int) -> None:
        """Read back until more than `limit` are found, or this drawing's pages are read."""
        for _ in range(min(PAGES, self.allowed - self.pages)):
            if self.ended or len(self.found) > limit:
                return
            read = page(self.cursor)
            self.pages += 1
            self.found = _united(self.found, read.rows)
            self.cursor, self.ended = read.next, read.next is None


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What was found, newest first.

    Attributes:
        items: At most as many as were asked for.
        more: There are older ones that match.
        unfinished: Fewer were found than asked for, and older entries are still to be looked at.
    """

    items: list[T | Unread]
    more: bool = False
    unfinished: bool = False


def read_history(
    client: Client,
    wanted: EventFilter,
    limit: int,
    search: Search[EventRecord] | None = None,
) -> Found[EventRecord]:
    """Read events until `limit` are found, the oldest is reached, or a drawing's pages are read.

    Args:
        client: Of the API.
        wanted: Which events.
        limit: How many at most.
        search: How far this search has come; it is brought on. Left out: it begins here.
    """
    search = search or Search()
    since = client.now() - wanted.last if wanted.last else wanted.since
    if since is not None:  # what was found a while ago may have left the period
        search.found = [
            row for row in search.found if isinstance(row, Unread) or row.accepted_at >= since
        ]

    def page(before: str | None) -> Page[EventRecord]:
        return client.events(
            gate=wanted.gate,
            access=wanted.access,
            label=wanted.label,
            since=since,
            until=wanted.until,
            before=before,
            limit=min(limit + 1, PAGE_LIMIT),
        )

    return _gather(page, limit, search)


def read_messages(
    client: Client,
    gate: str,
    status: DeliveryStatus | None,
    limit: int,
    search: Search[Delivery] | None = None,
) -> Found[Delivery]:
    """Read deliveries, as `read_history` reads events."""

    def page(before: str | None) -> Page[Delivery]:
        return client.deliveries(
            gate=gate, status=status, before=before, limit=min(limit + 1, PAGE_LIMIT)
        )

    return _gather(page, limit, search or Search())


def _gather(page: Callable[[str | None], Page[T]], limit: int, search: Search[T]) -> Found[T]:
    newest: list[T | Unread] = []
    cursor = None
    for _ in range(PAGES):
        read = page(cursor)
        newest += read.rows
        cursor = read.next
        if cursor is None or len(newest) > limit:
            return Found(newest[:limit], more=len(newest) > limit)
    search.found = _united(newest, search.found)
    search.cursor = search.cursor or cursor
    search.read_further(page, limit)
    more = len(search.found) > limit
    return Found(search.found[:limit], more=more, unfinished=not more and not search.ended)


def _united(newer: list[T | Unread], older: list[T | Unread]) -> list[T | Unread]:
    known = {_id(row) for row in newer}
    return newer + [row for row in older if _id(row) not in known]


def _id(row: EventRecord | Delivery | Unread) -> str:
    return row.text("id") or repr(row.sent) if isinstance(row, Unread) else str(row.id)
