"""Events: posted by devices, read by people and programs."""

import time
from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import httpx

from cloud.client.connection import Connection, each
from cloud.client.errors import ApiUnreachable, StreamGap
from cloud.client.pages import Page
from cloud.client.stream import StreamMessage, messages
from cloud.contract import Access, Acknowledgement, Decision, Event, EventRecord, Label

KEEP_ALIVE_S: Final = 15.0
"""The API sends a keep-alive this often; a stream that is silent three times as long is dead."""

RECONNECT_S: Final = 2.0
"""Seconds until a stream that ended is opened again."""


class Events(Connection):
    """Operations on events."""

    def post_event(self, event: Event) -> Decision:
        """Send a verdict. The same event again gets the same decision."""
        return self._one(Decision, "POST", "/v1/events", body=event)

    def get_event(self, event_id: UUID) -> EventRecord:
        """Read one event with its pass as it is now."""
        return self._one(EventRecord, "GET", "/v1/events/{}", event_id)

    def acknowledge_event(self, event_id: UUID) -> Acknowledgement:
        """Acknowledge an event; return who acknowledged it first, also to later callers."""
        return self._one(Acknowledgement, "POST", "/v1/events/{}/acknowledge", event_id)

    def list_events(
        self,
        *,
        gate: str | None = None,
        access: Access | None = None,
        label: Label | None = None,
        device: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> Page[EventRecord]:
        """Read a page of events, newest first.

        Args:
            gate: Of this gate alone.
            access: With this decision alone.
            label: With this label alone.
            device: Of this device alone.
            since: Accepted by the cloud then or later.
            until: Accepted by the cloud before then.
            before: The `next` of the page before.
            limit: How many at most, 1 to 200.

        Returns:
            The page.
        """
        return self._page(
            EventRecord,
            "/v1/events",
            gate=gate,
            access=access,
            label=label,
            device=device,
            since=since,
            until=until,
            before=before,
            limit=limit,
        )

    def iter_events(
        self,
        *,
        gate: str | None = None,
        access: Access | None = None,
        label: Label | None = None,
        device: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[EventRecord]:
        """Read all events that `list_events` filters, newest first."""
        return each(
            lambda cursor: self.list_events(
                gate=gate,
                access=access,
                label=label,
                device=device,
                since=since,
                until=until,
                before=cursor,
                limit=200,
            )
        )

    def export_events(
        self,
        *,
        format: Literal["csv", "parquet"] = "csv",  # noqa: A002 (the wire's own name)
        gate: str | None = None,
        access: Access | None = None,
        label: Label | None = None,
        device: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[bytes]:
        """Read events as a file, piece by piece."""
        query = {
            "format": format,
            "gate": gate,
            "access": access,
            "label": label,
            "device": device,
            "since": since,
            "until": until,
        }
        timeout = httpx.Timeout(self._timeout_s)
        with self._answer("GET", "/v1/events/export", query=query, timeout=timeout) as answer:
            yield from answer.iter_bytes()

    def stream_events(
        self, *, gate: str | None = None, last_event_id: str | None = None
    ) -> Iterator[StreamMessage]:
        """Receive events as they are accepted, until the API ends the stream.

        Args:
            gate: Of this gate alone.
            last_event_id: The `id` of the last message that was received; the stream continues
                after it.

        Yields:
            Messages.
        """
        headers = {} if last_event_id is None else {"Last-Event-ID": last_event_id}
        timeout = httpx.Timeout(self._timeout_s, read=max(self._timeout_s, 3 * KEEP_ALIVE_S))
        with self._answer(
            "GET", "/v1/events/stream", query={"gate": gate}, headers=headers, timeout=timeout
        ) as answer:
            yield from messages(answer.iter_lines())

    def follow_events(
        self, *, gate: str | None = None, after: str | None = None
    ) -> Iterator[EventRecord]:
        """Receive each event as it is accepted, for ever: a stream that ends is opened again.

        Args:
            gate: Of this gate alone.
            after: The cursor of the last event that the caller has; None: from now on.

        Yields:
            Events.

        Raises:
            StreamGap: Too many events were missed while the stream was closed.
            ApiUnreachable: Nobody answers, before the first message.
            ClientError: The API refuses the stream, or sends a message of another shape.
        """
        heard = after
        opened = False
        while True:
            try:
                for message in self.stream_events(gate=gate, last_event_id=heard):
                    opened = True
                    if message.kind == "gap":
                        raise StreamGap(message.said("after"))
                    if message.kind == "event":
                        heard = message.id
                        yield message.record
            except ApiUnreachable:
                if not opened:
                    raise
            time.sleep(RECONNECT_S)
