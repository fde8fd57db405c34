"""Subscribers: chats, mail addresses and webhooks that get messages about a gate's events."""

from collections.abc import Iterator

from cloud.client.connection import Connection, each
from cloud.client.pages import Page
from cloud.contract import (
    Delivery,
    IssuedSubscriber,
    NewSubscriber,
    RolledSecret,
    Subscriber,
    SubscriberChange,
)


class Subscribers(Connection):
    """Operations on subscribers."""

    def list_subscribers(
        self, gate_id: str, *, limit: int | None = None, after: str | None = None
    ) -> Page[Subscriber]:
        """Read the gate's subscribers.

        Args:
            gate_id: The gate's id.
            limit: How many at most, 1 to 200; None: all, up to 10,000.
            after: The `next` of the page before.

        Returns:
            The page.
        """
        return self._list(Subscriber, "/v1/gates/{}/subscribers", gate_id, limit=limit, after=after)

    def iter_subscribers(self, gate_id: str) -> Iterator[Subscriber]:
        """Read all subscribers, page after page."""
        return each(lambda cursor: self.list_subscribers(gate_id, after=cursor))

    def create_subscriber(self, gate_id: str, new: NewSubscriber) -> IssuedSubscriber:
        """Subscribe an address to the gate's events; a webhook's secret is shown only here."""
        return self._one(IssuedSubscriber, "POST", "/v1/gates/{}/subscribers", gate_id, body=new)

    def change_subscriber(
        self, gate_id: str, subscriber_id: str, change: SubscriberChange
    ) -> Subscriber:
        """Change a subscriber: its events, quiet hours and other fields."""
        return self._one(
            Subscriber,
            "PATCH",
            "/v1/gates/{}/subscribers/{}",
            gate_id,
            subscriber_id,
            body=change,
        )

    def test_subscriber(self, gate_id: str, subscriber_id: str) -> Delivery:
        """Send a test message, five a minute at most; return its delivery."""
        return self._one(
            Delivery, "POST", "/v1/gates/{}/subscribers/{}/test", gate_id, subscriber_id
        )

    def roll_subscriber_secret(self, gate_id: str, subscriber_id: str) -> RolledSecret:
        """Replace a webhook's secret; the new one is shown only here."""
        return self._one(
            RolledSecret, "POST", "/v1/gates/{}/subscribers/{}/secret", gate_id, subscriber_id
        )

    def delete_subscriber(self, gate_id: str, subscriber_id: str) -> None:
        """Remove a subscriber: its address gets no more messages."""
        self._ask("DELETE", "/v1/gates/{}/subscribers/{}", gate_id, subscriber_id)
