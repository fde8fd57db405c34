"""Subscribers whose side refuses for good: counted, suspended, shown, and taken up again."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest

from cloud.contract import (
    Channel,
    Delivery,
    DeliveryStatus,
    Event,
    Label,
    Language,
    Role,
    Subscriber,
)
from cloud.errors import DeliveryImpossible, DeliveryPostponed, SubscriberGone
from cloud.notify.telegram import TelegramNotifier
from cloud.store import Store, keyspace, now, subscriber_id
from cloud.store.messages.suspensions import REFUSALS
from cloud.worker import jobs
from cloud.worker.context import JobContext
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.builders import Clock, Recorder, accept
from tests.cloud.conftest import GATE, Login
from tests.doubles.bot_api import BotApiDouble

Make = Callable[..., Event]
SUBSCRIBERS = f"/v1/gates/{GATE}/subscribers"
BLOCKED = SubscriberGone("the chat does not take our messages: blocked")


@pytest.fixture
def telegram() -> Recorder:
    return Recorder()


@pytest.fixture(autouse=True)
def _context(store: Store, telegram: Recorder) -> None:
    context = JobContext(store, dict.fromkeys(Channel, telegram), None, Clock(), timedelta())
    jobs.set_context(context)


def subscribe(store: Store, channel: Channel = Channel.TELEGRAM, address: str = "42") -> str:
    subscriber = subscriber_id(channel, address)
    store.gates.subscribe(
        Subscriber(id=subscriber, gate=GATE, channel=channel, address=address, created_at=now())
    )
    store.webhook_secrets.add(GATE, subscriber, "whsec_AAAA")
    return subscriber


def refuse(store: Store, make_event: Make) -> Delivery:
    """Refuse one person, and do the jobs that follow for whoever is told."""
    event = make_event(Label.WITHOUT_MASK)
    accept(store, event)
    newest, _ = store.deliveries.page(gate=GATE, status=None, before=None, limit=1)
    assert newest[0].event_id == event.id
    # The limit of one message a second is not what these tests are about.
    store.client.delete(keyspace.telegram_chat("42"))
    assert jobs.deliver(newest[0].id) is None
    held = store.deliveries.get(newest[0].id)
    assert held is not None
    return held


def held(store: Store, subscriber: str) -> Subscriber:
    found = store.gates.subscriber(GATE, subscriber)
    assert found is not None
    return found


@pytest.mark.parametrize("channel", [Channel.TELEGRAM, Channel.EMAIL])
def test_three_deliveries_refused_for_good_in_a_row_suspend(
    store: Store, telegram: Recorder, make_event: Make, channel: Channel
) -> None:
    subscriber = subscribe(store, channel, "42")
    telegram.error = BLOCKED
    for _ in range(REFUSALS - 1):
        assert refuse(store, make_event).status is DeliveryStatus.FAILED
        assert held(store, subscriber).suspended_at is None
    refuse(store, make_event)
    suspended = held(store, subscriber)
    assert suspended.suspended_at is not None
    assert "blocked" in suspended.suspended_reason
    assert store.suspensions.count() == 1
    (entry, *_), _ = store.audit.page(act="subscriber.suspended")
    assert (entry.actor, entry.subject) == ("worker", f"subscriber:{subscriber}")
    assert "blocked" in entry.reason

    accept(store, make_event(Label.WITHOUT_MASK))
    told, _ = store.deliveries.page(gate=GATE, status=None, before=None, limit=50)
    assert len(told) == REFUSALS


def test_what_was_on_its_way_to_a_suspended_subscriber_is_not_sent(
    store: Store, telegram: Recorder, make_event: Make
) -> None:
    subscriber = subscribe(store)
    accept(store, make_event(Label.WITHOUT_MASK))
    (pending,), _ = store.deliveries.page(gate=GATE, status=None, before=None, limit=2)
    store.suspensions.suspend(GATE, subscriber, "it is on holiday", now())
    jobs.deliver(pending.id)
    kept = store.deliveries.get(pending.id)
    assert kept is not None
    assert kept.status is DeliveryStatus.UNDELIVERED_BY_CHOICE
    assert kept.detail == "the subscriber is suspended: it is on holiday"
    assert telegram.sent == []


@pytest.mark.parametrize(
    "between", [None, DeliveryImpossible("can't parse"), DeliveryPostponed("away")]
)
def test_only_a_success_sets_the_count_back_and_only_the_address_adds_to_it(
    store: Store, telegram: Recorder, make_event: Make, between: Exception | None
) -> None:
    subscriber = subscribe(store)
    telegram.error = BLOCKED
    for _ in range(REFUSALS - 1):
        refuse(store, make_event)
    telegram.error = between
    if isinstance(between, DeliveryPostponed):
        accept(store, make_event(Label.WITHOUT_MASK))
        (newest, *_), _ = store.deliveries.page(gate=GATE, status=None, before=None, limit=1)
        store.client.delete(keyspace.telegram_chat("42"))
        assert jobs.deliver(newest.id) is not None
    else:
        refuse(store, make_event)
    assert held(store, subscriber).suspended_at is None
    telegram.error = BLOCKED
    refuse(store, make_event)
    assert (held(store, subscriber).suspended_at is None) is (between is None)


def test_a_webhook_that_is_gone_is_suspended_at_once(
    store: Store, telegram: Recorder, make_event: Make
) -> None:
    subscriber = subscribe(store, Channel.WEBHOOK, "https://hooks.example.org/")
    telegram.error = SubscriberGone("the webhook answered 410: it wants no more", at_once=True)
    refuse(store, make_event)
    assert held(store, subscriber).suspended_at is not None
    assert store.suspensions.count() == 1


@pytest.mark.parametrize("way", ["change", "again"])
def test_an_operator_takes_a_suspended_subscriber_up_again(
    store: Store,
    telegram: Recorder,
    make_event: Make,
    operator: httpx.Client,
    login: Login,
    way: str,
) -> None:
    subscriber = subscribe(store)
    telegram.error = BLOCKED
    for _ in range(REFUSALS):
        refuse(store, make_event)
    (listed,) = operator.get(SUBSCRIBERS).json()
    assert listed["suspended_at"] is not None
    assert "blocked" in listed["suspended_reason"]
    if way == "change":
        answer = operator.patch(f"{SUBSCRIBERS}/{subscriber}", json={"suspended": False})
    else:
        answer = operator.post(SUBSCRIBERS, json={"channel": "telegram", "address": "42"})
    assert answer.is_success
    assert (answer.json()["suspended_at"], answer.json()["suspended_reason"]) == (None, "")
    assert store.suspensions.count() == 0
    entries = login(Role.ADMIN).get("/v1/audit").json()["items"]
    assert entries[0]["act"] == "subscriber.resumed"
    telegram.error = None
    assert refuse(store, make_event).status is DeliveryStatus.SENT
    # The count began anew.
    telegram.error = BLOCKED
    refuse(store, make_event)
    assert held(store, subscriber).suspended_at is None


def test_an_operator_suspends_a_subscriber_and_removes_it(
    store: Store, operator: httpx.Client
) -> None:
    subscriber = subscribe(store)
    url = f"{SUBSCRIBERS}/{subscriber}"
    changed = operator.patch(url, json={"suspended": True, "language": "es"}).json()
    assert changed["suspended_at"] is not None
    assert changed["language"] == "es"
    again = operator.patch(url, json={"suspended": True}).json()
    assert again["suspended_at"] == changed["suspended_at"]
    assert store.suspensions.count() == 1
    assert operator.delete(url).status_code == 204
    assert store.suspensions.count() == 0
    assert code_of(operator.patch(url, json={"suspended": False})) == "subscriber_unknown"


def test_topics_of_webhooks_alone_are_refused_for_people(operator: httpx.Client) -> None:
    chat = {"channel": "telegram", "address": "42"}
    answer = operator.post(SUBSCRIBERS, json={**chat, "topics": ["refusal", "gate"]})
    assert code_of(answer) == "malformed_request"
    assert "gate" in answer.text
    made = operator.post(SUBSCRIBERS, json=chat).json()
    answer = operator.patch(f"{SUBSCRIBERS}/{made['id']}", json={"topics": ["redemption"]})
    assert code_of(answer) == "malformed_request"
    hook = {"channel": "webhook", "address": "https://hooks.example.org/"}
    topics = ["pass", "refusal", "redemption", "gate", "device"]
    made = operator.post(SUBSCRIBERS, json={**hook, "topics": topics})
    assert made.status_code == 201
    assert made.json()["topics"] == topics


@pytest.fixture
def api(store: Store) -> Iterator[BotApiDouble]:
    with BotApiDouble() as double:
        notifier = TelegramNotifier(double.token, double.url, answer_timeout_s=60)
        jobs.set_context(JobContext(store, {Channel.TELEGRAM: notifier}, None, Clock()))
        yield double
        notifier.close()


def test_a_visitor_whose_chat_blocks_the_bot_leaves_the_line(
    store: Store, api: BotApiDouble, make_event: Make
) -> None:
    at = now()
    for chat in ("42", "43"):
        store.visitors.join(GATE, chat, at, timedelta(minutes=10), Language.EN)
    api.refuse(403, "Forbidden: bot was blocked by the user")
    assert refuse(store, make_event).status is DeliveryStatus.FAILED
    assert store.visitors.place("42", now()) is None
    assert store.visitors.place("43", now()) == (GATE, 0)


def test_a_group_that_has_become_a_supergroup_gets_the_alert_in_the_same_job(
    store: Store, api: BotApiDouble, make_event: Make
) -> None:
    subscribe(store, address="-42")
    api.migrate("-42", "-10042")
    delivery = refuse(store, make_event)
    assert (delivery.status, delivery.address) == (DeliveryStatus.SENT, "-10042")
    assert [message.chat_id for message in api.messages] == ["-10042"]
    (subscriber,) = store.gates.subscribers(GATE)
    assert subscriber.address == "-10042"
    assert delivery.subscriber_id == subscriber.id
    accept(store, make_event(Label.WITHOUT_MASK))
    (newest, *_), _ = store.deliveries.page(gate=GATE, status=None, before=None, limit=1)
    assert newest.address == "-10042"


def test_a_chat_that_moves_round_in_a_circle_is_put_off(
    store: Store, api: BotApiDouble, make_event: Make
) -> None:
    subscribe(store, address="-42")
    api.migrate("-42", "-10042")
    api.migrate("-10042", "-42")
    accept(store, make_event(Label.WITHOUT_MASK))
    (pending,), _ = store.deliveries.page(gate=GATE, status=None, before=None, limit=2)
    assert jobs.deliver(pending.id) is not None
    assert len(api.calls) == 2
    assert api.messages == []
