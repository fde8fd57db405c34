"""How a delivery is sent: what each channel's rules make of it, short of the retries.

A channel's rule gives back a Wait where the message is not due yet; sending raises what the
notifier raises. Jobs make retries of both.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TypeVar
from uuid import UUID

import stamina
import structlog
from pydantic import SecretStr

from cloud import audience, meters, qr, tracing
from cloud.contract import (
    Channel,
    Delivery,
    DeliveryKind,
    DeliveryStatus,
    EventRecord,
    Language,
    PassRecord,
    PassStatus,
    Subscriber,
)
from cloud.errors import DeliveryImpossible, StoreUnavailable
from cloud.notify.base import AlertEditor, Message, Notifier
from cloud.notify.quiet import quiet_until
from cloud.notify.texts import bot_text, digest_text, mail_page
from cloud.notify.times import zone_at
from cloud.store import Store, StoredPass, now

log = structlog.get_logger("cloud.jobs")

NAP_S = 0.5
"""Up to this long a worker waits for Telegram's limits itself; past it, it does other jobs."""

WRITING_LEASE = timedelta(seconds=40)
"""How long a mail may take to be written and sent before another worker may try."""

WRITTEN_DOWN_WITHIN_S = 15.0
"""How long a worker waits for a store that is away, to write down what it has sent. With the 15 s
that sending may take it fits into the time of a job."""

CLOSED_LOOK_S = 5
"""How often a worker looks whether a closed gate is open, while a code for it waits."""

R = TypeVar("R")

ACKNOWLEDGE = "ack:"
"""What the data of an alert's button starts with; the event's id follows."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What a worker's jobs work with."""

    store: Store
    notifiers: Mapping[Channel, Notifier]
    public_url: str | None
    clock: Callable[[], datetime] = field(default=now)
    mail_cooldown: timedelta = timedelta(minutes=5)
    editor: AlertEditor | None = None
    zone: tzinfo = UTC
    """In which times are told, at gates without a zone of their own."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A message that is not due yet, and why."""

    seconds: int
    reason: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a delivery."""

    status: DeliveryStatus
    detail: str = ""
    message_id: str = ""


def post(desk: Desk, delivery: Delivery, notifier: Notifier) -> Settled | Wait | None:
    """Send one delivery by its channel's rules; None where another worker settled it."""
    subscriber = _subscriber(desk, delivery)
    suspended = subscriber is not None and subscriber.suspended_at is not None
    if subscriber is not None and suspended and delivery.kind is not DeliveryKind.TEST:
        return Settled(
            DeliveryStatus.UNDELIVERED_BY_CHOICE,
            f"the subscriber is suspended: {subscriber.suspended_reason}",
        )
    match delivery.channel:
        case Channel.TELEGRAM:
            return _telegram(desk, delivery, subscriber, notifier)
        case Channel.EMAIL:
            return _mail(desk, delivery, subscriber, notifier)
        case Channel.WEBHOOK:
            return _webhook(desk, delivery, notifier)


def reached(desk: Desk, delivery: Delivery) -> None:
    """Note that something went out to a delivery's subscriber."""
    if delivery.subscriber_id is not None:
        desk.store.suspensions.reached(delivery.gate, delivery.subscriber_id)


def written_down(write: Callable[[], R]) -> R:
    """Write down what was sent, and wait for a store that is away: else it would be sent again.

    Raises StoreUnavailable where it stays away.
    """
    for attempt in stamina.retry_context(
        on=StoreUnavailable,
        attempts=None,
        timeout=WRITTEN_DOWN_WITHIN_S,
        wait_initial=0.1,
        wait_max=1.0,
    ):
        with attempt:
            return write()
    raise AssertionError("the last attempt returns or raises")


def drawn(desk: Desk, held: StoredPass) -> bytes | None:
    """Draw a pass's QR code and keep it; None where the pass has expired."""
    token = desk.store.passes.token(held.id)
    if token is None:
        log.warning("pass_expired_undrawn", pass_id=str(held.id))
        return None
    image = qr.png(qr.payload(token, desk.public_url))
    desk.store.passes.keep_qr(held, image, desk.clock())
    log.info("code_drawn", pass_id=str(held.id))
    return image


def _telegram(
    desk: Desk, delivery: Delivery, subscriber: Subscriber | None, notifier: Notifier
) -> Settled | Wait:
    tested = delivery.kind is DeliveryKind.TEST
    alert = not delivery.with_qr and subscriber is not None and not tested
    # Only an event's alert can be taken charge of.
    button = alert and delivery.kind is DeliveryKind.EVENT
    if alert:
        muted = desk.store.chats.muted_until(delivery.address, desk.clock())
        if muted is not None:
            return Settled(
                DeliveryStatus.UNDELIVERED_BY_CHOICE,
                f"the chat has muted alerts until {muted:%Y-%m-%d %H:%M} UTC",
            )
    held = _pass(desk, delivery) if delivery.with_qr else None
    if held is not None and (closed := _closed(desk, delivery, held)) is not None:
        return closed
    image = _code(desk, held.id) if held is not None else None
    waiting = _turn(desk, delivery)
    if waiting is not None:
        return waiting
    hours = subscriber.quiet_hours if subscriber is not None else None
    language = subscriber.language if subscriber is not None else Language.EN
    desk.store.deliveries.attempt(delivery.id, desk.clock())
    text, by, at = delivery.text, delivery.acknowledged_by, delivery.acknowledged_at
    if button and by is not None and at is not None:
        # Somebody took charge while this waited.
        zone = zone_of(desk, delivery.gate)
        text, button = acknowledged_text(text, by, at, language, zone), False
    message = Message(
        delivery.address,
        text,
        image,
        id=delivery.id,
        silent=alert and quiet_until(hours, desk.clock()) is not None,
        acknowledge=f"{ACKNOWLEDGE}{delivery.event_id}" if button else None,
        button=bot_text("acknowledge", language) if button else "",
    )
    with tracing.span("send", channel=delivery.channel.value):
        message_id = notifier.send(message)
    return Settled(DeliveryStatus.SENT, message_id=message_id)


def is_alert(delivery: Delivery) -> bool:
    """Return whether a delivery is an alert in Telegram that somebody can take charge of."""
    return (
        delivery.channel is Channel.TELEGRAM
        and delivery.kind is DeliveryKind.EVENT
        and delivery.subscriber_id is not None
        and not delivery.with_qr
    )


def language_of(desk: Desk, delivery: Delivery) -> Language:
    """Return what a delivery's subscriber is spoken to in."""
    subscriber = _subscriber(desk, delivery)
    return subscriber.language if subscriber is not None else Language.EN


def zone_of(desk: Desk, gate_id: str) -> tzinfo:
    """Return the zone that times about a gate are told in."""
    return zone_at(desk.store.gates.get(gate_id), desk.zone)


def acknowledged_text(
    text: str, by: str, at: datetime, language: Language, zone: tzinfo = UTC
) -> str:
    """Return what an alert says once somebody takes care of it."""
    return bot_text("acknowledged", language, zone=zone, now=at, text=text, by=by, at=at)


def _turn(desk: Desk, delivery: Delivery) -> Wait | None:
    """Wait for the message's turn, if that is soon; return how long it is where it is not."""
    while True:
        wait_s = desk.store.limiter.take(delivery.address, delivery.id).total_seconds()
        if wait_s == 0:
            return None
        meters.waited(wait_s)
        if wait_s > NAP_S:
            return Wait(math.ceil(wait_s), _why(desk, delivery))
        time.sleep(wait_s)


def _why(desk: Desk, delivery: Delivery) -> str:
    """Return what keeps a message to Telegram waiting."""
    now = desk.clock()
    until = desk.store.limiter.held_until(delivery.address, now)
    if until is not None:
        return f"this chat waits until {until:%Y-%m-%d %H:%M:%S} UTC, as Telegram asks"
    fleet_s = desk.store.limiter.fleet_held_s(now)
    if fleet_s:
        until = now + timedelta(seconds=fleet_s)
        return f"all chats wait until {until:%Y-%m-%d %H:%M:%S} UTC, as Telegram asks"
    return "waits for its turn by Telegram's limits"


def _mail(
    desk: Desk, delivery: Delivery, subscriber: Subscriber | None, notifier: Notifier
) -> Settled | Wait | None:
    if delivery.kind is DeliveryKind.TEST:
        return _mail_at_once(desk, delivery, notifier)
    digests = desk.store.digests
    digests.join(delivery)
    if not digests.hold(delivery.gate, delivery.address, WRITING_LEASE):
        return Wait(2, "another mail to this address is on its way")
    try:
        waiting = digests.waiting(delivery.gate, delivery.address)
        if delivery.id not in {each.id for each in waiting}:
            return None
        due = _due(desk, delivery, subscriber)
        if due is not None:
            return due
        desk.store.deliveries.attempt(delivery.id, desk.clock())
        with tracing.span("send", channel=delivery.channel.value):
            notifier.send(_letter(desk, waiting, subscriber))
        detail = f"in one mail with {len(waiting) - 1} more" if len(waiting) > 1 else ""
        written_down(lambda: digests.settle(waiting, desk.clock(), detail))
        meters.mailed(waiting, desk.clock())
        reached(desk, delivery)
    except DeliveryImpossible:
        digests.drop(delivery)
        raise
    finally:
        digests.release(delivery.gate, delivery.address)
    return None


def _mail_at_once(desk: Desk, delivery: Delivery, notifier: Notifier) -> Settled:
    """Send a mail by itself: a test waits for no quiet hours and no cooldown."""
    desk.store.deliveries.attempt(delivery.id, desk.clock())
    with tracing.span("send", channel=delivery.channel.value):
        notifier.send(Message(delivery.address, delivery.text, id=delivery.id))
    return Settled(DeliveryStatus.SENT)


def _due(desk: Desk, delivery: Delivery, subscriber: Subscriber | None) -> Wait | None:
    """Return how long a mail has to wait for the quiet hours' end, or its cooldown's."""
    at = desk.clock()
    quiet = quiet_until(subscriber.quiet_hours, at) if subscriber is not None else None
    if quiet is not None:
        return Wait(math.ceil((quiet - at).total_seconds()), f"quiet hours until {quiet:%H:%M} UTC")
    asked = subscriber.cooldown_s if subscriber is not None else None
    cooldown = desk.mail_cooldown if asked is None else timedelta(seconds=asked)
    last = desk.store.digests.last_sent_at(delivery.gate, delivery.address)
    if last is not None and last + cooldown > at:
        until = last + cooldown
        return Wait(math.ceil((until - at).total_seconds()), f"summed up at {until:%H:%M:%S} UTC")
    return None


def _letter(desk: Desk, waiting: list[Delivery], subscriber: Subscriber | None) -> Message:
    language = subscriber.language if subscriber is not None else Language.EN
    gate = desk.store.gates.get(waiting[0].gate)
    name = gate.name if gate is not None else waiting[0].gate
    zone = zone_at(gate, desk.zone)
    events = _events(desk, waiting)
    known = {event.id for event in events}
    notices = [each.text for each in waiting if each.event_id not in known]
    if len(waiting) == 1:
        text = waiting[0].text
    else:
        # What is about no event (a device that fell silent) is in no table of events.
        told = [digest_text(name, events, language, zone)] if events else []
        text = "\n\n".join([*told, *notices])
    subject = text.partition("\n")[0]
    in_full = bool(events) and not (notices and len(waiting) > 1)
    return Message(
        waiting[0].address,
        text,
        id=waiting[0].id,
        html=mail_page(subject, name, events, language, zone) if in_full else None,
    )


def _events(desk: Desk, waiting: list[Delivery]) -> list[EventRecord]:
    found = (desk.store.events.get(each.event_id, desk.clock()) for each in waiting)
    return [event for event in found if event is not None]


def _webhook(desk: Desk, delivery: Delivery, notifier: Notifier) -> Settled:
    secrets = desk.store.webhook_secrets.all(
        delivery.gate, delivery.subscriber_id or "", desk.clock()
    )
    desk.store.deliveries.attempt(delivery.id, desk.clock())
    notifier.send(
        Message(
            delivery.address,
            delivery.text,
            id=delivery.id,
            secrets=tuple(SecretStr(secret) for secret in secrets),
        )
    )
    return Settled(DeliveryStatus.SENT)


def _subscriber(desk: Desk, delivery: Delivery) -> Subscriber | None:
    if delivery.subscriber_id is None:
        return None
    return desk.store.gates.subscriber(delivery.gate, delivery.subscriber_id)


def _closed(desk: Desk, delivery: Delivery, held: PassRecord) -> Wait | None:
    """Hold a code back while its gate is closed, and say so once; None where the gate is open."""
    gate = desk.store.gates.get(delivery.gate)
    if gate is None or not gate.closed:
        return None
    language = delivery.language or Language.EN
    until, at = held.expires_at, desk.clock()
    notice = audience.of_closed_gate(delivery, gate, until, language, at, zone=desk.zone)
    if desk.store.notices.add(notice):
        log.info("code_held_back", delivery_id=delivery.id, gate=gate.id)
    return Wait(CLOSED_LOOK_S, "the gate is closed; the code waits until it is open")


def _pass(desk: Desk, delivery: Delivery) -> PassRecord:
    event = desk.store.events.get(delivery.event_id, desk.clock())
    if event is not None:
        record = event.pass_record
    else:
        by_hand = desk.store.passes.get(delivery.event_id)
        record = by_hand.record(desk.clock()) if by_hand is not None else None
    if record is None or record.status is not PassStatus.ISSUED:
        over = "gone" if record is None else record.status.value
        raise DeliveryImpossible(f"the pass was {over} before it could be sent")
    return record


def _code(desk: Desk, pass_id: UUID) -> bytes:
    image = desk.store.passes.qr(pass_id)
    if image is None:
        held = desk.store.passes.get(pass_id)
        image = drawn(desk, held) if held is not None else None
    if image is None:
        raise DeliveryImpossible("the pass was expired before it could be sent")
    return image
