"""The history of events and deliveries: searched page by page, the newest first.

The API does the filtering, and looks at a limited number of entries in one call. So a page may be
short or empty and still have a `next`, and a rare match in a long history takes many calls. A table
is refreshed every few seconds, so each refresh reads a part, from where the one before ended.
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
"""Pages that one refresh of a table reads from the newest on, and as many further back."""

PAGES_IN_ALL = 200
"""Pages after which a search stops until somebody presses "Search on". With a filter, the API looks
at up to 5,000 entries for a page: this many pages are a million entries."""

STALE_AFTER = timedelta(minutes=1)
"""A search that was not refreshed for so long (its tab was hidden) begins again: more may have come
since then than one refresh reads."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """The filter of the events. A field that is None leaves out nothing.

    Args:
        gate: Only events of this gate.
        access: Only events with this answer.
        label: Only events with this verdict.
        since: Only events that the cloud accepted at this time or later.
        until: Only events that the cloud accepted before this time.
        last: Only events that the cloud accepted within so long before now; replaces `since`.
    """

    gate: str | None = None
    access: Access | None = None
    label: Label | None = None
    since: datetime | None = None
    until: datetime | None = None
    last: timedelta | None = None

    @property
    def narrows(self) -> bool:
        """Whether the filter leaves out events of the chosen gates."""
        parts = (self.access, self.label, self.since, self.until, self.last)
        return any(part is not None for part in parts)


@dataclass(slots=True)
class Search(Generic[T]):
    """The progress of a search; kept from one refresh of its table to the next.

    Args:
        subject: What is searched for.
        found: The entries that were found, newest first.
        cursor: The cursor of the next page further back.
        ended: Whether the oldest entry was read.
        pages: The number of pages that were read further back.
        allowed: The number of pages after which the search stops.
        drawn_at: When the search last went on.
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
        """Whether the search has stopped before the oldest entry."""
        return not self.ended and self.pages >= self.allowed

    def go_on(self) -> None:
        """Let a search that has stopped read as many pages again."""
        self.allowed = self.pages + PAGES_IN_ALL

    def serves(self, subject: Hashable, now: datetime) -> bool:
        """Return whether the search is about this subject, and was refreshed a short while ago."""
        fresh = self.drawn_at is None or now - self.drawn_at < STALE_AFTER
        return fresh and self.subject == subject

    def read_further(self, page: Callable[[str | None], Page[T]], limit: int) -> None:
        """Read back until more than `limit` are found, or this refresh has read its pages."""
        for _ in range(min(PAGES, self.allowed - self.pages)):
            if self.ended or len(self.found) > limit:
                return
            read = page(self.cursor)
            self.pages += 1
            self.found = _united(self.found, read.rows)
            self.cursor, self.ended = read.next, read.next is None


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """The result of one refresh.

    Args:
        items: The entries, newest first; at most as many as were asked for.
        more: Whether there are older entries that match.
        unfinished: Whether fewer were found than asked for, and older entries are not read yet.
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
    """Read events until `limit` are found, the oldest is read, or a refresh has read its pages.

    Args:
        client: The client of the API.
        wanted: The filter of the events.
        limit: The most events to return.
        search: The progress of the search, which is updated; None begins a search.

    Returns:
        The events.

    Raises:
        DashboardError: The API did not answer, or refused.
    """
    search = search or Search()
    since = client.now() - wanted.last if wanted.last else wanted.since
    if since is not None:  # by now an entry may be too old for the period
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
    """Read deliveries, as `read_history` reads events.

    Args:
        client: The client of the API.
        gate: Only deliveries about this gate.
        status: Only deliveries in this state; None for any.
        limit: The most deliveries to return.
        search: The progress of the search, which is updated; None begins a search.

    Returns:
        The deliveries.

    Raises:
        DashboardError: The API did not answer, or refused.
    """

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
