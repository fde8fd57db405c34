"""Who is told what beside decisions on events, and that webhooks read it."""

from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
from pydantic import TypeAdapter

from cloud import announcements
from cloud.contract import (
    Channel,
    Delivery,
    DeliveryKind,
    Device,
    DeviceWebhook,
    Gate,
    GateWebhook,
    Language,
    RedemptionWebhook,
    Subscriber,
    TestWebhook,
    Topic,
    WebhookBody,
    WebhookType,
)
from cloud.store import Store, now

AT = now()
THEN = AT - timedelta(minutes=2)
GATE = Gate(id="main", name="Main entrance", created_at=AT)
BODY: Final[TypeAdapter[Any]] = TypeAdapter(WebhookBody)


def subscriber(channel: Channel, *topics: Topic, suspended: bool = False) -> Subscriber:
    return Subscriber(
        id=uuid4().hex,
        gate=GATE.id,
        channel=channel,
        address="https://hooks.example.org/" if channel is Channel.WEBHOOK else "42",
        topics=list(topics) or [Topic.PASS, Topic.REFUSAL],
        created_at=AT,
        suspended_at=AT if suspended else None,
    )


HOOK = subscriber(Channel.WEBHOOK, Topic.REDEMPTION, Topic.GATE, Topic.DEVICE)
EVERYBODY = [
    HOOK,
    subscriber(Channel.WEBHOOK),
    subscriber(Channel.WEBHOOK, *Topic, suspended=True),
    subscriber(Channel.TELEGRAM, *Topic),
    subscriber(Channel.EMAIL),
]


def test_a_redemption_and_its_undoing_are_told_to_webhooks_that_chose_the_topic() -> None:
    pass_id, event_id, occasion = uuid4(), uuid4(), uuid4()

    def told(undone: bool) -> list[Delivery]:
        return announcements.of_redemption(
            GATE,
            EVERYBODY,
            pass_id=pass_id,
            event_id=event_id,
            redeemed_at=THEN,
            undone_at=AT if undone else None,
            occasion=occasion,
        )

    (delivery,) = told(undone=False)
    assert (delivery.subscriber_id, delivery.event_id) == (HOOK.id, event_id)
    assert delivery.kind is DeliveryKind.REDEMPTION
    assert told(undone=False) == [delivery]
    body = RedemptionWebhook.model_validate_json(delivery.text)
    assert (body.type, body.timestamp) == (WebhookType.PASS_REDEEMED, THEN)
    assert (body.data.pass_id, body.data.redeemed_at) == (pass_id, THEN)
    (undone,) = told(undone=True)
    body = RedemptionWebhook.model_validate_json(undone.text)
    assert (body.type, body.timestamp) == (WebhookType.PASS_REDEMPTION_UNDONE, AT)
    assert (body.data.redeemed_at, body.data.undone_at) == (THEN, AT)


def test_a_redemption_of_a_pass_made_by_hand_names_the_pass_in_the_events_stead() -> None:
    pass_id = uuid4()
    (delivery,) = announcements.of_redemption(
        GATE, EVERYBODY, pass_id=pass_id, event_id=None, redeemed_at=AT
    )
    assert delivery.event_id == pass_id
    assert RedemptionWebhook.model_validate_json(delivery.text).data.event_id is None


@pytest.mark.parametrize("closed", [True, False])
def test_a_closed_or_opened_gate_is_told_with_its_reason(closed: bool) -> None:
    gate = GATE.model_copy(update={"closed": closed})
    (delivery,) = announcements.of_gate(gate, EVERYBODY, reason="fire drill", at=AT)
    body = BODY.validate_json(delivery.text)
    assert isinstance(body, GateWebhook)
    assert body.type is (WebhookType.GATE_CLOSED if closed else WebhookType.GATE_OPENED)
    assert (body.data.closed, body.data.reason) == (closed, "fire drill")
    assert delivery.subscriber_id == HOOK.id


def test_closing_a_gate_writes_what_webhooks_are_told_in_the_same_step(
    operator: httpx.Client, store: Store
) -> None:
    hook = HOOK.model_copy(update={"id": "hook"})
    store.gates.subscribe(hook)
    url = f"/v1/gates/{GATE.id}"
    for body in (
        {"closed": True, "reason": "fire drill"},
        {"closed": True, "reason": "still on"},  # as it was: there is nothing to tell
        {"name": "Main door"},
        {"closed": False},
    ):
        assert operator.patch(url, json=body).status_code == 200
    (opened, closed), _ = store.deliveries.page(gate=GATE.id, status=None, before=None, limit=9)
    assert [BODY.validate_json(each.text).type for each in (closed, opened)] == [
        WebhookType.GATE_CLOSED,
        WebhookType.GATE_OPENED,
    ]
    assert BODY.validate_json(closed.text).data.reason == "fire drill"
    assert BODY.validate_json(opened.text).data.gate_name == "Main door"
    assert store.waiting_jobs() == 2
    assert store.deliveries.of_event(closed.event_id) == [closed]


@pytest.mark.parametrize("over", [True, False])
def test_a_silent_device_is_told_to_people_in_any_case_and_to_webhooks_that_chose_it(
    over: bool,
) -> None:
    device = Device(id="d1", name="Door 1", gate=GATE.id, enrolled_at=THEN)
    told = announcements.of_device(device, GATE, EVERYBODY, since=THEN, at=AT, over=over)
    assert {each.channel for each in told} == set(Channel)
    assert len(told) == 3
    (hook,) = (each for each in told if each.channel is Channel.WEBHOOK)
    body = BODY.validate_json(hook.text)
    assert isinstance(body, DeviceWebhook)
    assert body.type is (WebhookType.DEVICE_ONLINE if over else WebhookType.DEVICE_OFFLINE)
    assert (body.data.device_id, body.data.silent_since) == ("d1", THEN)


@pytest.mark.parametrize("channel", list(Channel))
@pytest.mark.parametrize("language", list(Language))
def test_a_test_is_for_any_channel_and_says_that_nothing_happened(
    channel: Channel, language: Language
) -> None:
    whom = subscriber(channel, suspended=True).model_copy(update={"language": language})
    delivery = announcements.of_test(GATE, whom, AT)
    assert (delivery.kind, delivery.subscriber_id) == (DeliveryKind.TEST, whom.id)
    if channel is Channel.WEBHOOK:
        body = BODY.validate_json(delivery.text)
        assert isinstance(body, TestWebhook)
        assert body.data.subscriber_id == whom.id
    else:
        said = {Language.EN: "Nothing has happened", Language.ES: "No ha pasado nada"}
        assert said[language] in delivery.text
        assert "Main entrance" in delivery.text.splitlines()[0]
