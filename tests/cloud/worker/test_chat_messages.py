"""Messages to chats: a chat may mute alerts."""

from collections.abc import Callable
from datetime import timedelta

from cloud.contract import DeliveryStatus, Event, Label
from cloud.store import Store, now
from cloud.worker import jobs
from tests.cloud.builders import Recorder, accept, deliveries, only, subscribe

Make = Callable[..., Event]


def test_a_muted_chat_gets_passes_and_no_alerts(
    store: Store, telegram: Recorder, make_event: Make
) -> None:
    subscribe(store)
    accept(store, make_event(Label.WITHOUT_MASK))
    store.chats.mute("42", now() + timedelta(hours=1))
    jobs.deliver(only(store).id)
    assert only(store).status is DeliveryStatus.UNDELIVERED_BY_CHOICE
    assert "muted" in only(store).detail
    accept(store, make_event())
    jobs.deliver(deliveries(store)[0].id)
    assert len(telegram.sent) == 1
    assert telegram.sent[0].qr_png is not None
