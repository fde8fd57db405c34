"""Webhooks are told of redemptions and undoings: written in the step that they tell of, once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest

from cloud import gatekeeping
from cloud.bot.answering.chat_request import ChatRequest
from cloud.bot.answering.conversation import Conversation
from cloud.contract import (
    Channel,
    Delivery,
    DeliveryKind,
    DeliveryStatus,
    Event,
    IssuedPass,
    RedemptionWebhook,
    Role,
    StaffRole,
    Subscriber,
    Topic,
    WebhookType,
)
from cloud.store import Store, now
from cloud.worker import jobs
from cloud.worker.context import JobContext
from tests.cloud.api.routes.test_passes import issue, redeem
from tests.cloud.builders import Recorder
from tests.cloud.conftest import GATE, OTHER_GATE, Login

Make = Callable[..., Event]
MINUTES = timedelta(minutes=5)


def subscribe(store: Store, *topics: Topic, gate: str = GATE) -> str:
    hook = f"hook-{len(store.gates.subscribers(gate))}"
    store.gates.subscribe(
        Subscriber(
            id=hook,
            gate=gate,
            channel=Channel.WEBHOOK,
            address=f"https://hooks.example.org/{hook}",
            topics=list(topics),
            created_at=now(),
        )
    )
    return hook


@pytest.fixture
def issued(store: Store, make_event: Make) -> IssuedPass:
    return issue(store, make_event(), MINUTES)


def told(store: Store) -> list[Delivery]:
    """What is told of redemptions, the oldest first."""
    deliveries, _ = store.deliveries.page(gate=None, status=None, before=None, limit=200)
    return [each for each in reversed(deliveries) if each.kind is DeliveryKind.REDEMPTION]


def body(delivery: Delivery) -> RedemptionWebhook:
    return RedemptionWebhook.model_validate_json(delivery.text)


def test_a_redemption_and_its_undoing_are_told_once_each(
    store: Store, login: Login, issued: IssuedPass
) -> None:
    hook = subscribe(store, Topic.REDEMPTION)
    subscribe(store, Topic.GATE)
    subscribe(store, Topic.REDEMPTION, gate=OTHER_GATE)
    scanner = login(Role.SCANNER, GATE)
    waiting = store.waiting_jobs()
    said, *_ = [redeem(scanner, issued.token) for _ in range(3)]
    redeem(scanner, issued.token, "nonce-0002")
    (redeemed,) = told(store)
    assert (redeemed.subscriber_id, redeemed.status) == (hook, DeliveryStatus.PENDING)
    assert store.waiting_jobs() == waiting + 1
    data = body(redeemed).data
    assert body(redeemed).type is WebhookType.PASS_REDEEMED
    assert (data.pass_id, data.gate, data.redeemed_at) == (issued.id, GATE, said.redeemed_at)
    assert data.event_id is not None
    assert issued.token not in redeemed.text

    for _ in range(3):
        answer = scanner.post(f"/v1/passes/{issued.id}/undo", json={"nonce": "nonce-0001"})
        assert answer.status_code == 200, answer.text
    redeem(scanner, issued.token)
    _, undone = told(store)
    assert body(undone).type is WebhookType.PASS_REDEMPTION_UNDONE
    data = body(undone).data
    assert (data.pass_id, data.redeemed_at) == (issued.id, said.redeemed_at)
    assert data.undone_at is not None
    assert undone.id != redeemed.id
    assert store.waiting_jobs() == waiting + 2


def test_a_refused_attempt_is_told_to_nobody(
    store: Store, login: Login, operator: httpx.Client, issued: IssuedPass
) -> None:
    for gate in (GATE, OTHER_GATE):
        subscribe(store, Topic.REDEMPTION, gate=gate)
    redeem(login(Role.SCANNER, OTHER_GATE), issued.token)
    operator.patch(f"/v1/gates/{GATE}", json={"closed": True})
    scanner = login(Role.SCANNER, GATE)
    assert redeem(scanner, issued.token).outcome == "gate_closed"
    assert redeem(scanner, "7Kq2mXw9RtB4z").outcome == "unknown"
    operator.delete(f"/v1/passes/{issued.id}")
    assert redeem(scanner, issued.token, "nonce-0002").outcome == "revoked"
    assert operator.post(f"/v1/passes/{issued.id}/undo", json={}).status_code == 409
    assert told(store) == []


def test_many_attempts_at_once_are_told_once(
    store: Store, login: Login, issued: IssuedPass
) -> None:
    subscribe(store, Topic.REDEMPTION)
    scanner = login(Role.SCANNER, GATE)
    with ThreadPoolExecutor(16) as pool:
        answers = pool.map(lambda n: redeem(scanner, issued.token, f"nonce-{n:04}"), range(48))
        outcomes = [said.outcome.value for said in answers]
    assert outcomes.count("admitted") == 1
    assert len(told(store)) == 1


def test_who_subscribes_since_the_last_attempt_is_told_of_the_next(
    store: Store, login: Login, make_event: Make
) -> None:
    scanner = login(Role.SCANNER, GATE)
    redeem(scanner, issue(store, make_event(), MINUTES).token, "nonce-0001")
    hook = subscribe(store, Topic.REDEMPTION)
    redeem(scanner, issue(store, make_event(), MINUTES).token, "nonce-0002")
    store.gates.unsubscribe(GATE, hook)
    redeem(scanner, issue(store, make_event(), MINUTES).token, "nonce-0003")
    assert len(told(store)) == 1


def test_a_pass_made_by_hand_and_redeemed_in_a_chat_is_told_too(store: Store) -> None:
    subscribe(store, Topic.REDEMPTION)
    code = store.staff.new_code(GATE, StaffRole.GUARD, MINUTES, now()).code
    store.staff.pair(code, "604", "Ada", now())
    gate = store.gates.get(GATE)
    assert gate is not None
    issued = gatekeeping.issue_manual_pass(
        store, gate, gatekeeping.PassIssuer("key:a"), reason="a test", lifetime=MINUTES, now=now()
    )
    assert issued is not None
    bot = Conversation(store, MINUTES, MINUTES)
    for message_id in (17, 17, 18):
        bot.answer(ChatRequest("604", "Ada", "en", True, message_id, "scan", issued.token))
    (redeemed,) = told(store)
    assert (body(redeemed).data.pass_id, body(redeemed).data.event_id) == (issued.id, None)
    assert redeemed.event_id == issued.id


def test_a_worker_sends_what_is_told_though_the_pass_is_used(
    store: Store, login: Login, issued: IssuedPass
) -> None:
    subscribe(store, Topic.REDEMPTION)
    scanner = login(Role.SCANNER, GATE)
    redeem(scanner, issued.token)
    scanner.post(f"/v1/passes/{issued.id}/undo", json={"nonce": "nonce-0001"})
    hook = Recorder()
    jobs.set_context(JobContext(store, {Channel.WEBHOOK: hook}, None))
    for delivery in told(store):
        assert jobs.deliver(delivery.id) is None
    assert [message.id for message in hook.sent] == [delivery.id for delivery in told(store)]
    kinds = [RedemptionWebhook.model_validate_json(message.text).type for message in hook.sent]
    assert kinds == [WebhookType.PASS_REDEEMED, WebhookType.PASS_REDEMPTION_UNDONE]
    assert {delivery.status for delivery in told(store)} == {DeliveryStatus.SENT}
