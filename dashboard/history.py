"""The newest events and deliveries that match a filter, read page by page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from cloud.contract import (
    Access,
    Delivery,
    DeliveryPage,
    DeliveryStatus,
    EventPage,
    EventRecord,
    Label,
)
from dashboard.client import PAGE_LIMIT, Client

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

PAGES = 10
"""How many pages one reading may take: the table is drawn anew every few seconds."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events to show. None is any; `since` and `until` are of the moment seen."""

    gate: str | None = None
    access: Access | None = None
    label: Label | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything of the chosen gates out."""
        return any(part is not None for part in (self.access, self.label, self.since, self.until))

    def fits(self, event: EventRecord) -> bool:
        """Whether the moment seen is within the period."""
        return (self.since is None or self.since <= event.occurred_at) and (
            self.until is None or event.occurred_at <= self.until
        )


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """What was found, newest first."""

    items: list[T]
    more: bool
    """There are, or may be, older ones that match."""


def read_history(client: Client, wanted: EventFilter, limit: int) -> Found[EventRecord]:
    """Read until `limit` events fit, the period is behind, or PAGES pages are read.

    Access and label are the API's to filter; it has no filter by time. Events come in the order
    in which they were accepted, and none is accepted before it is seen: the first one accepted
    before `since` ends the search.
    """
    timeless = wanted.since is None and wanted.until is None

    def page(before: str | None) -> EventPage:
        return client.events(
            gate=wanted.gate,
            access=wanted.access,
            label=wanted.label,
            before=before,
            limit=min(limit + 1, PAGE_LIMIT) if timeless else PAGE_LIMIT,
        )

    def behind(event: EventRecord) -> bool:
        return wanted.since is not None and event.accepted_at < wanted.since

    return _gather(page, wanted.fits, behind, limit)


def read_messages(
    client: Client, gate: str, status: DeliveryStatus | None, limit: int
) -> Found[Delivery]:
    """Read until `limit` deliveries are found or PAGES pages are read."""

    def page(before: str | None) -> DeliveryPage:
        return client.deliveries(
            gate=gate, status=status, before=before, limit=min(limit + 1, PAGE_LIMIT)
        )

    return _gather(page, lambda _: True, lambda _: False, limit)


class _Page(Protocol[T_co]):
    @property
    def items(self) -> Sequence[T_co]: ...

    @property
    def next(self) -> str | None: ...


def _gather(
    page: Callable[[str | None], _Page[T]],
    fits: Callable[[T], bool],
    behind: Callable[[T], bool],
    limit: int,
) -> Found[T]:
    # A page may be short, or empty, and still have a next: the API bounds what one call looks at.
    found: list[T] = []
    before = None
    for _ in range(PAGES):
        read = page(before)
        found += [item for item in read.items if fits(item)]
        if len(found) > limit:
            return Found(found[:limit], more=True)
        if read.next is None or any(behind(item) for item in read.items):
            return Found(found, more=False)
        before = read.next
    return Found(found, more=True)
