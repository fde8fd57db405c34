"""What tests of deliveries build: events that are accepted, subscribers, notifiers and clocks."""

from datetime import datetime, timedelta
from typing import Any

from cloud.contract import Channel, Decision, Delivery, Event, Subscriber
from cloud.notify.base import Message
from cloud.store import Store, now, subscriber_id
from tests.cloud import door
from tests.cloud.conftest import GATE


class Recorder:
    """A notifier that keeps what it is given, or raises what a test says."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.error: Exception | None = None

    def send(self, message: Message) -> str:
        if self.error is not None:
            raise self.error
        self.sent.append(message)
        return str(len(self.sent))

    def close(self) -> None: ...


class Clock:
    """A clock that a test puts forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return now() + self.ahead


def accept(
    store: Store, event: Event, *, gate: str = GATE, at: datetime | None = None, **more: Any
) -> Decision:
    """Accept an event at a gate, now or at another time."""
    answer = door.accept(
        store,
        event,
        gate=gate,
        device_id="camera",
        pass_lifetime=timedelta(minutes=5),
        now=at or now(),
        **more,
    )
    return answer.decision


def subscribe(
    store: Store,
    channel: Channel = Channel.TELEGRAM,
    address: str = "42",
    *,
    gate: str = GATE,
    **more: Any,
) -> Subscriber:
    """Subscribe an address to a gate, as the API does."""
    subscriber = Subscriber(
        id=subscriber_id(channel, address),
        gate=gate,
        channel=channel,
        address=address,
        created_at=now(),
        **more,
    )
    return store.gates.subscribe(subscriber)


def deliveries(store: Store, gate: str | None = None) -> list[Delivery]:
    """Return the deliveries, newest first."""
    kept, _ = store.deliveries.page(gate=gate, status=None, before=None, limit=200)
    return kept


def only(store: Store) -> Delivery:
    """Return the one delivery that there is."""
    (delivery,) = deliveries(store)
    return delivery
