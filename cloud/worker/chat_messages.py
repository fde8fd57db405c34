"""Messages to chats: mutes, closed gates and Telegram's limits, before a message goes out."""

import math
import time
from datetime import timedelta
from typing import Final

import structlog

from cloud import audience, meters, tracing
from cloud.contract import Delivery, DeliveryKind, DeliveryStatus, Language, PassRecord, Subscriber
from cloud.notify.alerts import ACKNOWLEDGE, acknowledged_text
from cloud.notify.base import Message, Notifier
from cloud.notify.quiet import quiet_until
from cloud.notify.texts import bot_text
from cloud.worker import qr_codes
from cloud.worker.context import JobContext, language_of
from cloud.worker.outcomes import Settled, Wait

log = structlog.get_logger("cloud.jobs")

LONGEST_SLEEP_S: Final = 0.5
"""Longest wait for Telegram's limits that a worker sleeps through; past it, it does other jobs."""

CLOSED_GATE_WAIT_S: Final = 5
"""Seconds until a worker looks again whether a closed gate is open, while a code waits for it."""


def send(
    context: JobContext, delivery: Delivery, subscriber: Subscriber | None, notifier: Notifier
) -> Settled | Wait:
    """Send one message to a chat when it is the message's turn.

    Args:
        context: The worker's context.
        delivery: The delivery.
        subscriber: The delivery's subscriber; None for a visitor.
        notifier: The notifier that reaches the chat.

    Returns:
        The outcome, or how long the message waits.
    """
    is_test = delivery.kind is DeliveryKind.TEST
    is_alert = not delivery.with_qr and subscriber is not None and not is_test
    if is_alert:
        muted = context.store.chats.muted_until(delivery.address, context.clock())
        if muted is not None:
            return Settled(
                DeliveryStatus.UNDELIVERED_BY_CHOICE,
                f"the chat has muted alerts until {muted:%Y-%m-%d %H:%M} UTC",
            )
    held = qr_codes.pass_of(context, delivery) if delivery.with_qr else None
    if held is not None and (closed := _gate_closed(context, delivery, held)) is not None:
        return closed
    image = qr_codes.code_of(context, held.id) if held is not None else None
    waiting = _limited(context, delivery)
    if waiting is not None:
        return waiting
    context.store.deliveries.attempt(delivery.id, context.clock())
    message = _message(context, delivery, subscriber, image, is_alert=is_alert)
    with tracing.span("send", channel=delivery.channel.value):
        message_id = notifier.send(message)
    return Settled(DeliveryStatus.SENT, message_id=message_id)


def _message(
    context: JobContext,
    delivery: Delivery,
    subscriber: Subscriber | None,
    image: bytes | None,
    *,
    is_alert: bool,
) -> Message:
    language = language_of(subscriber)
    hours = subscriber.quiet_hours if subscriber is not None else None
    text, by, at = delivery.text, delivery.acknowledged_by, delivery.acknowledged_at
    # Somebody can take charge of an event's alert, and of no other.
    button = is_alert and delivery.kind is DeliveryKind.EVENT
    if button and by is not None and at is not None:
        # Somebody took charge while this alert waited.
        text = acknowledged_text(text, by, at, language, context.zone_of(delivery.gate))
        button = False
    return Message(
        delivery.address,
        text,
        image,
        id=delivery.id,
        silent=is_alert and quiet_until(hours, context.clock()) is not None,
        acknowledge=f"{ACKNOWLEDGE}{delivery.event_id}" if button else None,
        button=bot_text("acknowledge", language) if button else "",
    )


def _limited(context: JobContext, delivery: Delivery) -> Wait | None:
    """Sleep until the limits let the message go, if that is soon; else return the wait."""
    while True:
        wait_s = context.store.limiter.take(delivery.address, delivery.id).total_seconds()
        if wait_s == 0:
            return None
        meters.waited(wait_s)
        if wait_s > LONGEST_SLEEP_S:
            return Wait(math.ceil(wait_s), _limit_reason(context, delivery))
        time.sleep(wait_s)


def _limit_reason(context: JobContext, delivery: Delivery) -> str:
    """Return which limit keeps a message to Telegram waiting."""
    now = context.clock()
    until = context.store.limiter.held_until(delivery.address, now)
    if until is not None:
        return f"this chat waits until {until:%Y-%m-%d %H:%M:%S} UTC, as Telegram asks"
    fleet_s = context.store.limiter.fleet_held_s(now)
    if fleet_s:
        until = now + timedelta(seconds=fleet_s)
        return f"all chats wait until {until:%Y-%m-%d %H:%M:%S} UTC, as Telegram asks"
    return "waits for its turn by Telegram's limits"


def _gate_closed(context: JobContext, delivery: Delivery, held: PassRecord) -> Wait | None:
    """Hold a code back while its gate is closed, and tell the chat so once; else return None."""
    gate = context.store.gates.get(delivery.gate)
    if gate is None or not gate.closed:
        return None
    language = delivery.language or Language.EN
    until, at = held.expires_at, context.clock()
    notice = audience.of_closed_gate(delivery, gate, until, language, at, zone=context.zone)
    if context.store.notices.add(notice):
        log.info("code_held_back", delivery_id=delivery.id, gate=gate.id)
    return Wait(CLOSED_GATE_WAIT_S, "the gate is closed; the code waits until it is open")
