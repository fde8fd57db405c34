"""What tests of deliveries need: a notifier that keeps messages, a clock to turn, subscribers."""

from datetime import datetime, timedelta
from uuid import uuid4

from cloud.contract import Channel, Decision, Delivery, Event, Language, Subscriber
from cloud.notify.base import Message
from cloud.store import Store, now
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
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return now() + self.ahead


def accept(store: Store, event: Event) -> Decision:
    answer = door.accept(
        store,
        event,
        gate=GATE,
        device_id="camera",
        pass_lifetime=timedelta(minutes=5),
        now=now(),
    )
    return answer.decision


def subscribe(
    store: Store,
    channel: Channel = Channel.TELEGRAM,
    address: str = "42",
    language: Language = Language.EN,
) -> None:
    store.gates.subscribe(
        Subscriber(
            id=uuid4().hex,
            gate=GATE,
            channel=channel,
            address=address,
            language=language,
            created_at=now(),
        )
    )


def only(store: Store) -> Delivery:
    (delivery,), _ = store.deliveries.page(gate=None, status=None, before=None, limit=9)
    return delivery
