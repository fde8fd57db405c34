"""Deliveries: messages to subscribers and visitors, with their status."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from cloud.client.connection import Connection, each
from cloud.client.pages import Page
from cloud.contract import Channel, Delivery, DeliveryStatus


class Deliveries(Connection):
    """Operations on deliveries."""

    def list_deliveries(
        self,
        *,
        gate: str | None = None,
        status: DeliveryStatus | None = None,
        event: UUID | None = None,
        channel: Channel | None = None,
        subscriber: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> Page[Delivery]:
        """Read a page of deliveries, newest first.

        Args:
            gate: Of this gate alone.
            status: With this status alone.
            event: About this event alone.
            channel: By this channel alone.
            subscriber: To the subscriber of this id alone.
            since: Made then or later.
            until: Made before then.
            before: The `next` of the page before.
            limit: How many at most, 1 to 200.

        Returns:
            The page.
        """
        return self._page(
            Delivery,
            "/v1/deliveries",
            gate=gate,
            status=status,
            event=None if event is None else str(event),
            channel=channel,
            subscriber=subscriber,
            since=since,
            until=until,
            before=before,
            limit=limit,
        )

    def iter_deliveries(
        self,
        *,
        gate: str | None = None,
        status: DeliveryStatus | None = None,
        event: UUID | None = None,
        channel: Channel | None = None,
        subscriber: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[Delivery]:
        """Read all deliveries that `list_deliveries` filters, newest first."""
        return each(
            lambda cursor: self.list_deliveries(
                gate=gate,
                status=status,
                event=event,
                channel=channel,
                subscriber=subscriber,
                since=since,
                until=until,
                before=cursor,
                limit=200,
            )
        )

    def resend_delivery(self, delivery_id: str) -> Delivery:
        """Send a delivery again that failed, or that was not sent by choice."""
        return self._one(Delivery, "POST", "/v1/deliveries/{}/resend", delivery_id)
