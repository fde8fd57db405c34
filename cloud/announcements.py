"""What is told beside decisions on events: redemptions, closed gates, silent devices, tests.

Each function returns deliveries and writes nothing. `BatchBuilder.add_deliveries` adds
them with their jobs to a `Batch`, so that they are written in one step with what they tell of.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from uuid import UUID, uuid4

from cloud.contract import (
    Channel,
    Delivery,
    DeliveryKind,
    DeliveryStatus,
    Device,
    DeviceData,
    DeviceWebhook,
    Gate,
    GateData,
    GateWebhook,
    RedemptionData,
    RedemptionWebhook,
    Subscriber,
    TestData,
    TestWebhook,
    Topic,
    WebhookType,
)
from cloud.notify.channels import CHANNELS, Body
from cloud.notify.texts import gate_text, outage_text, test_text
from cloud.notify.times import zone_at
from cloud.store import Visitor, subscriber_id


def of_redemption(
    gate: Gate,
    subscribers: Iterable[Subscriber],
    *,
    pass_id: UUID,
    event_id: UUID | None,
    redeemed_at: datetime,
    undone_at: datetime | None = None,
    occasion: UUID | None = None,
) -> list[Delivery]:
    """Return what webhooks are told of a pass that was redeemed, or whose redemption was undone.

    Args:
        gate: the pass's gate.
        subscribers: the gate's; those without the topic `redemption` are passed over.
        pass_id: of the pass.
        event_id: the event that the pass followed from; None if it was made by hand.
        redeemed_at: when it was redeemed.
        undone_at: when that was taken back; None if the redemption itself is told.
        occasion: names this telling, so that its deliveries have the same ids when they are built
            again. A new one is drawn by default.
    """
    undone = undone_at is not None
    body = RedemptionWebhook(
        type=WebhookType.PASS_REDEMPTION_UNDONE if undone else WebhookType.PASS_REDEEMED,
        timestamp=undone_at or redeemed_at,
        data=RedemptionData(
            pass_id=pass_id,
            event_id=event_id,
            gate=gate.id,
            gate_name=gate.name,
            redeemed_at=redeemed_at,
            undone_at=undone_at,
        ),
    )
    named, about = occasion or uuid4(), event_id or pass_id
    return [
        _delivery(
            subscriber, DeliveryKind.REDEMPTION, body.model_dump_json(), named, body.timestamp
        ).model_copy(update={"event_id": about})
        for subscriber in _choosing(subscribers, Topic.REDEMPTION)
    ]


def of_gate(
    gate: Gate, subscribers: Iterable[Subscriber], *, reason: str, at: datetime
) -> list[Delivery]:
    """Return what webhooks are told of a gate that was closed or opened; `gate` is as it is now."""
    body = GateWebhook(
        type=WebhookType.GATE_CLOSED if gate.closed else WebhookType.GATE_OPENED,
        timestamp=at,
        data=GateData(gate=gate.id, gate_name=gate.name, closed=gate.closed, reason=reason),
    )
    occasion = uuid4()
    return [
        _delivery(subscriber, DeliveryKind.GATE, body.model_dump_json(), occasion, at)
        for subscriber in _choosing(subscribers, Topic.GATE)
    ]


def of_gate_to_visitors(
    gate: Gate, visitors: Iterable[Visitor], *, at: datetime, zone: tzinfo = UTC
) -> list[Delivery]:
    """Return what those who wait are told of a gate that was closed or opened.

    `gate` is as it is now, and `visitors` come in the order in which they wait.
    """
    occasion = uuid4()
    return [
        Delivery(
            id=f"{occasion}_{subscriber_id(Channel.TELEGRAM, visitor.chat)}",
            event_id=occasion,
            gate=gate.id,
            channel=Channel.TELEGRAM,
            address=visitor.chat,
            text=gate_text(gate, visitor.language, at, before=before, zone=zone_at(gate, zone)),
            with_qr=False,
            status=DeliveryStatus.PENDING,
            created_at=at,
            kind=DeliveryKind.GATE,
            language=visitor.language,
        )
        for before, visitor in enumerate(visitors)
    ]


def of_device(
    device: Device,
    gate: Gate,
    subscribers: Iterable[Subscriber],
    *,
    since: datetime,
    at: datetime,
    over: bool,
    zone: tzinfo = UTC,
) -> list[Delivery]:
    """Return what is told of a device that is silent `since` then, or is back `at` last.

    Chats and mailboxes are told in any case, webhooks if they chose the topic `device`.
    """
    body = DeviceWebhook(
        type=WebhookType.DEVICE_ONLINE if over else WebhookType.DEVICE_OFFLINE,
        timestamp=at,
        data=DeviceData(
            device_id=device.id,
            device_name=device.name,
            gate=gate.id,
            gate_name=gate.name,
            silent_since=since,
        ),
    ).model_dump_json()
    outage = uuid4()
    told = []
    for subscriber in subscribers:
        if subscriber.suspended_at is not None:
            continue
        if CHANNELS[subscriber.channel].body is Body.TEXT:
            text = outage_text(
                device, gate, since, at, subscriber.language, over=over, zone=zone_at(gate, zone)
            )
        elif Topic.DEVICE in subscriber.topics:
            text = body
        else:
            continue
        told.append(_delivery(subscriber, DeliveryKind.DEVICE, text, outage, at))
    return told


def of_test(gate: Gate, subscriber: Subscriber, at: datetime) -> Delivery:
    """Return a message that tries one subscriber out, even one that is suspended."""
    if CHANNELS[subscriber.channel].body is Body.JSON:
        text = TestWebhook(
            type=WebhookType.TEST,
            timestamp=at,
            data=TestData(gate=gate.id, gate_name=gate.name, subscriber_id=subscriber.id),
        ).model_dump_json()
    else:
        text = test_text(gate, subscriber.language)
    return _delivery(subscriber, DeliveryKind.TEST, text, uuid4(), at)


def _choosing(subscribers: Iterable[Subscriber], topic: Topic) -> list[Subscriber]:
    """Return the subscribers who chose a topic that their channel offers."""
    return [
        subscriber
        for subscriber in subscribers
        if topic in CHANNELS[subscriber.channel].topics
        and topic in subscriber.topics
        and subscriber.suspended_at is None
    ]


def _delivery(
    subscriber: Subscriber,
    kind: DeliveryKind,
    text: str,
    occasion: UUID,
    at: datetime,
) -> Delivery:
    return Delivery(
        id=f"{occasion}_{subscriber.id}",
        event_id=occasion,
        gate=subscriber.gate,
        channel=subscriber.channel,
        address=subscriber.address,
        text=text,
        with_qr=False,
        status=DeliveryStatus.PENDING,
        created_at=at,
        subscriber_id=subscriber.id,
        kind=kind,
    )
