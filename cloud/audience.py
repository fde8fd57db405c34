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
class Told:
    """What is to be told, and the visitor whose pass it is."""

    deliveries: list[Delivery]
    visitor: Visitor | None


HISTORY: Final = frozenset({RefusalReason.TOO_LATE, RefusalReason.CLOCK_AHEAD})
"""Refusals that are not about whoever stands at the gate now."""


def of(
    context: PolicyContext,
    gate: Gate,
    event: Event,
    decision: Decision,
    *,
    occurrence: Occurrence,
    visitor_wait: timedelta,
    zone: tzinfo = UTC,
) -> Told:
    """Return who is told what of a decision at a gate.

    A pass goes to the visitor who waits the longest, and then to nobody else in Telegram; a
    refusal is told to them too, since they are the one who stands there, and they keep their
    place. A delayed event is not about a visitor who came after it occurred, and one that came too
    late, or of which nobody can tell how old it is, is about no visitor. At a closed gate the
    visitor is told so, and keeps their place. Times are told in `zone` where the gate has no zone
    of its own.
    """
    granted = decision.access is Access.GRANTED
    zone = zone_at(gate, zone)
    visitor = _visitor(context, decision, occurrence, visitor_wait)
    told = []
    for subscriber in context.subscribers:
        if visitor is not None and _stands_back(subscriber, visitor, granted=granted):
            continue
        delivery = _to_subscriber(
            subscriber, gate, event, decision, occurrence=occurrence, zone=zone
        )
        if delivery is not None:
            told.append(delivery)
    if visitor is not None:
        told.append(_to_visitor(visitor, gate, event, decision, occurrence=occurrence, zone=zone))
    return Told(told, visitor if granted else None)


def of_pass(
    chat: str,
    gate: Gate,
    issued: IssuedPass,
    language: Language,
    now: datetime,
    *,
    zone: tzinfo = UTC,
) -> Delivery:
    """Return what sends a pass that was made by hand to the chat of who made it.

    It follows from no event: in the event's stead it names the pass.
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
    """Return what is told in the stead of a code that cannot be used, since the gate is closed.

    `until` is when its pass expires. There is one such notice for each delivery.
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
    """Return the one id that an event's message to a subscriber can have."""
    return f"{event_id}_{subscriber}"


def _visitor(
    context: PolicyContext, decision: Decision, occurrence: Occurrence, wait: timedelta
) -> Visitor | None:
    """Return the visitor whom a decision is about, if any."""
    if occurrence.at is None or (decision.refusal and decision.refusal.reason in HISTORY):
        return None
    visitors = context.visitors
    if occurrence.delayed:
        visitors = arrived_by(visitors, occurrence.at, wait)
    return first_waiting(visitors, decision.decided_at)


def _stands_back(subscriber: Subscriber, visitor: Visitor, *, granted: bool) -> bool:
    """Whether a subscriber is not told because the visitor is."""
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
