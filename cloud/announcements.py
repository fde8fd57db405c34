"""Announcements: messages about redemptions, closed gates, silent devices, and tests.

`cloud.audience` has the messages about decisions. Each function returns deliveries and writes
nothing. `BatchBuilder.add_deliveries` adds
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
    """Return the messages about a pass that was redeemed, or whose redemption was undone.

    Args:
        gate: The pass's gate.
        subscribers: The gate's subscribers; those without the topic `redemption` are skipped.
        pass_id: The pass's id.
        event_id: The id of the event that the pass followed from; None if it was made by hand.
        redeemed_at: When the pass was redeemed.
        undone_at: When the redemption was undone; None for a message about the redemption itself.
        occasion: The id that the deliveries share; the same id makes the same deliveries again.
            A new id by default.

    Returns:
        One delivery for each webhook that chose the topic.
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
    """Return the messages to webhooks about a gate that was closed or opened.

    Args:
        gate: The gate as it is now.
        subscribers: The gate's subscribers; those without the topic `gate` are skipped.
        reason: Why the gate was changed.
        at: When the gate was changed.

    Returns:
        One delivery for each webhook that chose the topic.
    """
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
    """Return the messages to visitors about a gate that was closed or opened.

    Args:
        gate: The gate as it is now.
        visitors: The visitors who wait, in the order of the line.
        at: When the gate was changed.
        zone: The time zone of gates that have none of their own.

    Returns:
        One delivery for each visitor.
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
    """Return the messages about a device that has fallen silent, or is back.

    Chats and mailboxes are always told; webhooks are told if they chose the topic `device`.

    Args:
        device: The device.
        gate: The device's gate.
        subscribers: The gate's subscribers.
        since: When the device was last heard before its silence.
        at: The current time.
        over: Whether the device is back.
        zone: The time zone of gates that have none of their own.

    Returns:
        One delivery for each subscriber that is told.
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
    """Return a test message to one subscriber, even to a suspended one."""
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
