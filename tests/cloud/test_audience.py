"""Who is told of what: visitors, subscribers, topics and languages."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

from cloud import gatekeeping
from cloud.contract import Channel, Delivery, Event, Label, Language, Subscriber, Topic
from cloud.store import Store, now
from tests.cloud.conftest import GATE

Make = Callable[..., Event]
WAIT = timedelta(minutes=10)


def subscribe(store: Store, channel: Channel, address: str, **more: object) -> None:
    store.gates.subscribe(
        Subscriber.model_validate(
            {
                "id": uuid4().hex,
                "gate": GATE,
                "channel": channel,
                "address": address,
                "created_at": now(),
                **more,
            }
        )
    )


def told(store: Store, event: Event) -> dict[str, Delivery]:
    gatekeeping.accept(
        store,
        event,
        gate=GATE,
        device_id="camera",
        pass_lifetime=timedelta(minutes=5),
        now=now(),
    )
    kept, _ = store.deliveries.page(gate=GATE, status=None, before=None, limit=50)
    return {each.address: each for each in kept if each.event_id == event.id}


def test_a_pass_is_the_first_visitors_and_then_the_subscribers(
    store: Store, make_event: Make
) -> None:
    subscribe(store, Channel.TELEGRAM, "99")
    store.visitors.join(GATE, "1", now(), WAIT, Language.ES)
    store.visitors.join(GATE, "2", now(), WAIT)
    first = told(store, make_event())
    assert set(first) == {"1"}
    assert first["1"].with_qr
    assert first["1"].text.startswith("Tu pase para Main entrance")
    assert first["1"].subscriber_id is None
    assert set(told(store, make_event())) == {"2"}
    assert set(told(store, make_event())) == {"99"}
    assert store.visitors.waiting(GATE, now()) == 0


def test_the_same_event_again_takes_no_second_visitor(store: Store, make_event: Make) -> None:
    store.visitors.join(GATE, "1", now(), WAIT)
    store.visitors.join(GATE, "2", now(), WAIT)
    event = make_event()
    for _ in range(3):
        assert set(told(store, event)) == {"1"}
    assert store.visitors.waiting(GATE, now()) == 1


def test_a_crowd_at_once_gets_one_pass_each(store: Store, make_event: Make) -> None:
    chats = [str(chat) for chat in range(1, 9)]
    for chat in chats:
        store.visitors.join(GATE, chat, now(), WAIT)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda event: set(told(store, event)), [make_event() for _ in chats]))
    assert sorted(next(iter(each)) for each in made) == chats
    assert all(len(each) == 1 for each in made)


def test_a_refusal_tells_the_visitor_what_to_do_and_keeps_their_place(
    store: Store, make_event: Make
) -> None:
    subscribe(store, Channel.TELEGRAM, "99")
    store.visitors.join(GATE, "1", now(), WAIT)
    refused = told(store, make_event(Label.INCORRECT_MASK))
    assert set(refused) == {"1", "99"}
    assert "cover your nose" in refused["1"].text
    assert "keep your place" in refused["1"].text
    assert store.visitors.place("1", now()) == (GATE, 0)


def test_whose_wait_has_run_out_is_passed_over(store: Store, make_event: Make) -> None:
    store.visitors.join(GATE, "1", now() - timedelta(hours=1), timedelta(hours=1, seconds=-1))
    store.visitors.join(GATE, "2", now(), WAIT)
    assert set(told(store, make_event())) == {"2"}


def test_subscribers_are_told_of_their_topics_in_their_language(
    store: Store, make_event: Make
) -> None:
    subscribe(store, Channel.TELEGRAM, "1", topics=[Topic.REFUSAL], language="es")
    subscribe(store, Channel.TELEGRAM, "2", topics=[Topic.PASS])
    subscribe(store, Channel.EMAIL, "a@example.org", language="es")
    subscribe(store, Channel.WEBHOOK, "https://hooks.example.org/")
    granted = told(store, make_event())
    refused = told(store, make_event(Label.INCORRECT_MASK))
    assert set(granted) == {"2", "https://hooks.example.org/"}
    assert set(refused) == {"1", "a@example.org", "https://hooks.example.org/"}
    assert "cúbrete la nariz" in refused["1"].text
    assert refused["a@example.org"].text.startswith("Rechazo en Main entrance")
    assert '"type":"event.refused"' in refused["https://hooks.example.org/"].text
    assert '"type":"pass.issued"' in granted["https://hooks.example.org/"].text
    assert "token" not in granted["https://hooks.example.org/"].text
