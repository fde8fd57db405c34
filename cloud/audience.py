"""Who is told of a decision: the visitor whose pass it is, else the subscribers of its gate."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from uuid import UUID

from cloud.contract import (
    Access,
    Channel,
    Decision,
    Delivery,
    DeliveryKind,
    DeliveryStatus,
    Event,
    Gate,
    IssuedPass,
    Language,
    RefusalReason,
    Subscriber,
)
from cloud.notify.channels import CHANNELS
from cloud.notify.texts import (
    held_code_text,
    manual_pass_text,
    text_of,
    topic_of,
    visitor_text,
)
from cloud.notify.times import zone_at
from cloud.occurrence import Occurrence
from cloud.store import PolicyContext, Visitor, arrived_by, first_waiting, subscriber_id


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told of a decision.

    Args:
        deliveries: One message for each address.
        visitor: The visitor who gets the pass; None where there is no pass, or no visitor.
    """

    deliveries: list[Delivery]
    visitor: Visitor | None


PAST: Final = frozenset({RefusalReason.TOO_LATE, RefusalReason.CLOCK_AHEAD})
"""Reasons of refusals that do not concern the person who stands at the gate now."""


def of(
    context: PolicyContext,
    gate: Gate,
    event: Event,
    decision: Decision,
    *,
    occurrence: Occurrence,
    visitor_wait: timedelta,
    zone: tzinfo = UTC,
) -> Audience:
    """Return who is told what of a decision at a gate.

    - A pass goes to the visitor who has waited longest, and then to no subscriber that could show
      its code.
    - A refusal is told to the same visitor, who stands at the gate, and who keeps the place in the
      line. At a closed gate the visitor reads that the gate is closed, and keeps the place as well.
    - An event that was delayed concerns no visitor who came after it occurred. An event that came
      too late, or whose age nobody can tell, concerns no visitor at all.

    Args:
        context: The gate's subscribers and the visitors who wait there.
        gate: The gate.
        event: The event.
        decision: The decision on the event.
        occurrence: When the event occurred, by the cloud's clock.
        visitor_wait: How long a visitor waits for a pass.
        zone: The time zone of gates that have none of their own.

    Returns:
        The messages, and the visitor who gets the pass.
    """
    granted = decision.access is Access.GRANTED
    zone = zone_at(gate, zone)
    visitor = _visitor(context, decision, occurrence, visitor_wait)
    told = []
    for subscriber in context.subscribers:
        if visitor is not None and _gives_way(subscriber, visitor, granted=granted):
            continue
        delivery = _to_subscriber(
            subscriber, gate, event, decision, occurrence=occurrence, zone=zone
        )
        if delivery is not None:
            told.append(delivery)
    if visitor is not None:
        told.append(_to_visitor(visitor, gate, event, decision, occurrence=occurrence, zone=zone))
    return Audience(told, visitor if granted else None)


def of_pass(
    chat: str,
    gate: Gate,
    issued: IssuedPass,
    language: Language,
    now: datetime,
    *,
    zone: tzinfo = UTC,
) -> Delivery:
    """Return the message that brings a pass made by hand to the chat of its maker.

    Args:
        chat: The chat of the person who made the pass.
        gate: The pass's gate.
        issued: The pass.
        language: The language of the message.
        now: The current time.
        zone: The time zone of gates that have none of their own.

    Returns:
        The delivery. It follows from no event, so its `event_id` is the pass's id.
    """
    return Delivery(
        id=delivery_id(issued.id, subscriber_id(Channel.TELEGRAM, chat)),
        event_id=issued.id,
        gate=gate.id,
        channel=Channel.TELEGRAM,
        address=chat,
        text=manual_pass_text(gate, issued, language, now, zone_at(gate, zone)),
        with_qr=True,
        status=DeliveryStatus.PENDING,
        created_at=now,
        language=language,
    )


def of_closed_gate(
    delivery: Delivery,
    gate: Gate,
    until: datetime,
    language: Language,
    now: datetime,
    *,
    zone: tzinfo = UTC,
) -> Delivery:
    """Return the message that comes instead of a QR code while the gate is closed.

    Args:
        delivery: The delivery with the code; each delivery has at most one such notice.
        gate: The gate, which is closed.
        until: When the pass expires.
        language: The language of the message.
        now: The current time.
        zone: The time zone of gates that have none of their own.

    Returns:
        The delivery of the notice.
    """
    return Delivery(
        id=f"{delivery.id}_closed",
        event_id=delivery.event_id,
        gate=gate.id,
        channel=delivery.channel,
        address=delivery.address,
        text=held_code_text(gate, until, language, now, zone_at(gate, zone)),
        with_qr=False,
        status=DeliveryStatus.PENDING,
        created_at=now,
        kind=DeliveryKind.GATE,
        language=language,
    )


def delivery_id(event_id: UUID, subscriber: str) -> str:
    """Return the id of an event's message to a subscriber; there is only one such message."""
    return f"{event_id}_{subscriber}"


def _visitor(
    context: PolicyContext, decision: Decision, occurrence: Occurrence, wait: timedelta
) -> Visitor | None:
    """Return the visitor whom a decision concerns, if any."""
    if occurrence.at is None or (decision.refusal and decision.refusal.reason in PAST):
        return None
    visitors = context.visitors
    if occurrence.delayed:
        visitors = arrived_by(visitors, occurrence.at, wait)
    return first_waiting(visitors, decision.decided_at)


def _gives_way(subscriber: Subscriber, visitor: Visitor, *, granted: bool) -> bool:
    """Return whether a subscriber is not told, because the visitor is told instead."""
    return CHANNELS[subscriber.channel].carries_codes and (
        granted or subscriber.address == visitor.chat
    )


def _to_subscriber(
    subscriber: Subscriber,
    gate: Gate,
    event: Event,
    decision: Decision,
    *,
    occurrence: Occurrence,
    zone: tzinfo,
) -> Delivery | None:
    if subscriber.suspended_at is not None or topic_of(decision) not in subscriber.topics:
        return None
    text = text_of(
        subscriber.channel,
        gate,
        event,
        decision,
        subscriber.language,
        occurrence=occurrence,
        zone=zone,
    )
    if text is None:
        return None
    granted = decision.access is Access.GRANTED
    return Delivery(
        id=delivery_id(event.id, subscriber.id),
        event_id=event.id,
        gate=gate.id,
        channel=subscriber.channel,
        address=subscriber.address,
        text=text,
        with_qr=granted and CHANNELS[subscriber.channel].carries_codes,
        status=DeliveryStatus.PENDING,
        created_at=decision.decided_at,
        subscriber_id=subscriber.id,
        language=subscriber.language,
    )


def _to_visitor(
    visitor: Visitor,
    gate: Gate,
    event: Event,
    decision: Decision,
    *,
    occurrence: Occurrence,
    zone: tzinfo,
) -> Delivery:
    return Delivery(
        id=delivery_id(event.id, subscriber_id(Channel.TELEGRAM, visitor.chat)),
        event_id=event.id,
        gate=gate.id,
        channel=Channel.TELEGRAM,
        address=visitor.chat,
        text=visitor_text(
            gate, event, decision, visitor.language, occurrence=occurrence, zone=zone
        ),
        with_qr=decision.access is Access.GRANTED,
        status=DeliveryStatus.PENDING,
        created_at=decision.decided_at,
        language=visitor.language,
    )
