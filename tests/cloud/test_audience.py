"""Who is told of what: visitors, subscribers, topics and languages."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from cloud.contract import (
    Channel,
    Delivery,
    Event,
    Label,
    Language,
    RefusalReason,
    Topic,
    WebhookEvent,
    WebhookType,
)
from cloud.store import Store, now
from tests.cloud.builders import accept, deliveries, subscribe
from tests.cloud.conftest import GATE

Make = Callable[..., Event]
WAIT = timedelta(minutes=10)


def told(store: Store, event: Event) -> dict[str, Delivery]:
    accept(store, event, visitor_wait=WAIT)
    return {each.address: each for each in deliveries(store, GATE) if each.event_id == event.id}


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


def test_a_visitor_whose_wait_has_ended_is_skipped(store: Store, make_event: Make) -> None:
    store.visitors.join(GATE, "1", now() - timedelta(hours=1), timedelta(hours=1, seconds=-1))
    store.visitors.join(GATE, "2", now(), WAIT)
    assert set(told(store, make_event())) == {"2"}


def test_subscribers_are_told_of_their_topics_in_their_language(
    store: Store, make_event: Make
) -> None:
    subscribe(store, Channel.TELEGRAM, "1", topics=[Topic.REFUSAL], language=Language.ES)
    subscribe(store, Channel.TELEGRAM, "2", topics=[Topic.PASS])
    subscribe(store, Channel.EMAIL, "a@example.org", language=Language.ES)
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


# Events that are old when they come, or that lie in the future.


def aged(make_event: Make, age: timedelta, label: Label = Label.WITH_MASK) -> Event:
    at = now() - age
    return make_event(label, first_seen_at=at, occurred_at=at)


HOOK = "https://hooks.example.org/"


def everybody(store: Store) -> None:
    """Subscribe one of each channel, and let a visitor wait."""
    subscribe(store, Channel.TELEGRAM, "99")
    subscribe(store, Channel.EMAIL, "a@example.org")
    subscribe(store, Channel.WEBHOOK, HOOK)
    store.visitors.join(GATE, "1", now(), WAIT)


def test_a_mask_that_came_too_late_touches_no_visitor_and_tells_webhooks_alone(
    store: Store, make_event: Make
) -> None:
    everybody(store)
    said = told(store, aged(make_event, timedelta(hours=3)))
    assert set(said) == {HOOK}
    body = WebhookEvent.model_validate_json(said[HOOK].text)
    assert body.type is WebhookType.EVENT_REFUSED
    assert body.data.refusal is not None
    assert body.data.refusal.reason is RefusalReason.TOO_LATE
    assert body.data.delivered_late
    assert body.data.pass_id is None
    assert store.visitors.place("1", now()) == (GATE, 0)


@pytest.mark.parametrize("label", [Label.WITHOUT_MASK, Label.INCORRECT_MASK])
def test_a_refusal_that_came_too_late_is_told_to_subscribers_as_delivered_late(
    store: Store, make_event: Make, label: Label
) -> None:
    everybody(store)
    event = aged(make_event, timedelta(hours=3), label)
    said = told(store, event)
    assert set(said) == {"99", "a@example.org", HOOK}
    for address in ("99", "a@example.org"):
        text = said[address].text
        assert "delivered late" in text
        assert f"{event.occurred_at:%H:%M:%S} UTC" in text
        assert "look at the camera" not in text
    assert store.visitors.place("1", now()) == (GATE, 0)


def test_an_event_of_the_future_tells_of_the_clock_and_touches_no_visitor(
    store: Store, make_event: Make
) -> None:
    everybody(store)
    for label in Label:
        said = told(store, aged(make_event, -timedelta(hours=3), label))
        assert set(said) == {"99", "a@example.org", HOOK}
        assert not any(each.with_qr for each in said.values())
        for address in ("99", "a@example.org"):
            assert "door's clock" in said[address].text
            assert "ahead" in said[address].text
        body = WebhookEvent.model_validate_json(said[HOOK].text)
        assert body.data.happened_at is None
        assert body.data.refusal is not None
        assert body.data.refusal.reason is RefusalReason.CLOCK_AHEAD
    assert store.visitors.place("1", now()) == (GATE, 0)


@pytest.mark.parametrize("label", [Label.WITH_MASK, Label.WITHOUT_MASK])
def test_a_delayed_event_is_not_about_a_visitor_who_came_after_it(
    store: Store, make_event: Make, label: Label
) -> None:
    store.visitors.join(GATE, "1", now() - timedelta(seconds=5), WAIT)
    assert told(store, aged(make_event, timedelta(seconds=30), label)) == {}
    assert store.visitors.place("1", now()) == (GATE, 0)


def test_a_delayed_event_is_about_the_visitor_who_waited_when_it_occurred(
    store: Store, make_event: Make
) -> None:
    store.visitors.join(GATE, "1", now() - timedelta(seconds=60), WAIT)
    store.visitors.join(GATE, "2", now() - timedelta(seconds=5), WAIT)
    assert set(told(store, aged(make_event, timedelta(seconds=30)))) == {"1"}
    assert told(store, aged(make_event, timedelta(seconds=30))) == {}
    assert set(told(store, make_event())) == {"2"}


def test_a_refusal_of_more_than_a_minute_ago_is_delivered_late_though_a_pass_could_be_made(
    store: Store, make_event: Make
) -> None:
    everybody(store)
    said = told(store, aged(make_event, timedelta(seconds=61), Label.WITHOUT_MASK))
    assert "delivered late" in said["99"].text
    assert "delivered late" in said["a@example.org"].text
    assert WebhookEvent.model_validate_json(said[HOOK].text).data.delivered_late
    prompt = told(store, aged(make_event, timedelta(seconds=5), Label.WITHOUT_MASK))
    assert set(prompt) == {"1", "99", "a@example.org", HOOK}
    assert not any("delivered late" in each.text for each in prompt.values())
