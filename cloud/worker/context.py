"""The context of a worker's jobs: the store, the notifiers and the settings that they work with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from cloud.contract import Channel, Delivery, Language, Subscriber
from cloud.notify.base import AlertEditor, Notifier
from cloud.notify.times import zone_at
from cloud.signing import PassSigner
from cloud.store import Store, now


@dataclass(frozen=True, slots=True)
class JobContext:
    """What every job of a worker works with.

    Args:
        store: The store.
        notifiers: The notifiers of the channels that the settings configure.
        public_url: The API's address as phones reach it; QR codes then hold an address.
        clock: Returns the current time.
        mail_cooldown: Least time between two mails about a gate to one address, where the
            subscriber has no cooldown of its own.
        editor: Edits alerts that were sent; None where no bot is configured.
        zone: The time zone of gates that have none of their own.
        signer: Signs passes; None where the settings have no key.
    """

    store: Store
    notifiers: Mapping[Channel, Notifier]
    public_url: str | None
    clock: Callable[[], datetime] = field(default=now)
    mail_cooldown: timedelta = timedelta(minutes=5)
    editor: AlertEditor | None = None
    zone: tzinfo = UTC
    signer: PassSigner | None = None

    def subscriber_of(self, delivery: Delivery) -> Subscriber | None:
        """Return the subscriber of a delivery; None for a visitor, or where it is removed."""
        if delivery.subscriber_id is None:
            return None
        return self.store.gates.subscriber(delivery.gate, delivery.subscriber_id)

    def language_of(self, delivery: Delivery) -> Language:
        """Return the language of a delivery's subscriber, or English."""
        return language_of(self.subscriber_of(delivery))

    def zone_of(self, gate_id: str) -> tzinfo:
        """Return the time zone in which messages about a gate tell times."""
        return zone_at(self.store.gates.get(gate_id), self.zone)

    def record_reached(self, delivery: Delivery) -> None:
        """Record that a message reached the delivery's subscriber."""
        if delivery.subscriber_id is not None:
            self.store.suspensions.reached(delivery.gate, delivery.subscriber_id)


def language_of(subscriber: Subscriber | None) -> Language:
    """Return a subscriber's language; English where there is no subscriber."""
    return subscriber.language if subscriber is not None else Language.EN
