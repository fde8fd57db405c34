"""The newest events that match a filter, read page by page."""

from dataclasses import dataclass
from datetime import datetime

from cloud.contract import Access, EventRecord, Label
from dashboard.client import PAGE_LIMIT, Client

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
class History:
    """What was found, newest first."""

    events: list[EventRecord]
    more: bool
    """There are, or may be, older ones that match."""
    read: int
    """How many events the cloud was asked for."""


def read_history(client: Client, wanted: EventFilter, limit: int) -> History:
    """Read until `limit` events fit, the period is behind, or PAGES pages are read.

    Access and label are the API's to filter; it has no filter by time. Events come in the order
    in which they were accepted, and none is accepted before it is seen: the first one accepted
    before `since` ends the search.
    """
    found: list[EventRecord] = []
    read, before = 0, None
    timeless = wanted.since is None and wanted.until is None
    for _ in range(PAGES):
        page = client.events(
            gate=wanted.gate,
            access=wanted.access,
            label=wanted.label,
            before=before,
            limit=min(limit + 1, PAGE_LIMIT) if timeless else PAGE_LIMIT,
        )
        read += len(page.items)
        found += [event for event in page.items if wanted.fits(event)]
        if len(found) > limit:
            return History(found[:limit], more=True, read=read)
        behind = wanted.since is not None and any(
            event.accepted_at < wanted.since for event in page.items
        )
        if page.next is None or behind:
            return History(found, more=False, read=read)
        before = page.next
    return History(found, more=True, read=read)
