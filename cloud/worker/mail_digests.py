"""Mail digests: alerts by mail wait for quiet hours and a cooldown, and go out as one mail."""

import math
from datetime import timedelta
from typing import Final

from cloud import meters, tracing
from cloud.contract import Delivery, DeliveryKind, DeliveryStatus, EventRecord, Subscriber
from cloud.errors import DeliveryImpossible
from cloud.notify.base import Message, Notifier
from cloud.notify.mail_texts import digest_text, mail_page
from cloud.notify.quiet import quiet_until
from cloud.notify.times import zone_at
from cloud.worker.context import JobContext, language_of
from cloud.worker.outcomes import Settled, Wait, recorded

SENDING_LEASE: Final = timedelta(seconds=40)
"""How long one worker may take to write and send a mail, before another worker may try."""


def send(
    context: JobContext, delivery: Delivery, subscriber: Subscriber | None, notifier: Notifier
) -> Settled | Wait | None:
    """Send one mail with all that waits for the same address.

    Args:
        context: The worker's context.
        delivery: The delivery.
        subscriber: The delivery's subscriber; None where it was removed.
        notifier: The notifier that sends mail.

    Returns:
        The outcome of a test; for an alert how long it waits, or None once it is settled with the
        other deliveries of its mail, by this worker or another.

    Raises:
        DeliveryImpossible: No other try will succeed.
    """
    if delivery.kind is DeliveryKind.TEST:
        return _send_test(context, delivery, notifier)
    digests = context.store.digests
    digests.join(delivery)
    if not digests.hold(delivery.gate, delivery.address, SENDING_LEASE):
        return Wait(2, "another mail to this address is on its way")
    try:
        waiting = digests.waiting(delivery.gate, delivery.address)
        if delivery.id not in {each.id for each in waiting}:
            return None
        not_due = _not_due(context, delivery, subscriber)
        if not_due is not None:
            return not_due
        context.store.deliveries.attempt(delivery.id, context.clock())
        with tracing.span("send", channel=delivery.channel.value):
            notifier.send(_mail(context, waiting, subscriber))
        detail = f"in one mail with {len(waiting) - 1} more" if len(waiting) > 1 else ""
        recorded(lambda: digests.settle(waiting, context.clock(), detail))
        meters.mailed(waiting, context.clock())
        context.record_reached(delivery)
    except DeliveryImpossible:
        digests.drop(delivery)
        raise
    finally:
        digests.release(delivery.gate, delivery.address)
    return None


def _send_test(context: JobContext, delivery: Delivery, notifier: Notifier) -> Settled:
    """Send a mail by itself: a test waits for no quiet hours and no cooldown."""
    context.store.deliveries.attempt(delivery.id, context.clock())
    with tracing.span("send", channel=delivery.channel.value):
        notifier.send(Message(delivery.address, delivery.text, id=delivery.id))
    return Settled(DeliveryStatus.SENT)


def _not_due(context: JobContext, delivery: Delivery, subscriber: Subscriber | None) -> Wait | None:
    """Return how long a mail waits for the end of the quiet hours, or of the cooldown."""
    at = context.clock()
    quiet = quiet_until(subscriber.quiet_hours, at) if subscriber is not None else None
    if quiet is not None:
        return Wait(math.ceil((quiet - at).total_seconds()), f"quiet hours until {quiet:%H:%M} UTC")
    own_s = subscriber.cooldown_s if subscriber is not None else None
    cooldown = context.mail_cooldown if own_s is None else timedelta(seconds=own_s)
    last = context.store.digests.last_sent_at(delivery.gate, delivery.address)
    if last is not None and last + cooldown > at:
        until = last + cooldown
        return Wait(math.ceil((until - at).total_seconds()), f"summed up at {until:%H:%M:%S} UTC")
    return None


def _mail(context: JobContext, waiting: list[Delivery], subscriber: Subscriber | None) -> Message:
    language = language_of(subscriber)
    gate = context.store.gates.get(waiting[0].gate)
    name = gate.name if gate is not None else waiting[0].gate
    zone = zone_at(gate, context.zone)
    events = _events(context, waiting)
    known = {event.id for event in events}
    notices = [each.text for each in waiting if each.event_id not in known]
    if len(waiting) == 1:
        text = waiting[0].text
    else:
        # A notice (a device that fell silent) is about no event, and so in no table of events.
        told = [digest_text(name, events, language, zone)] if events else []
        text = "\n\n".join([*told, *notices])
    subject = text.partition("\n")[0]
    with_page = bool(events) and not (notices and len(waiting) > 1)
    return Message(
        waiting[0].address,
        text,
        id=waiting[0].id,
        html=mail_page(subject, name, events, language, zone) if with_page else None,
    )


def _events(context: JobContext, waiting: list[Delivery]) -> list[EventRecord]:
    found = (context.store.events.get(each.event_id, context.clock()) for each in waiting)
    return [event for event in found if event is not None]
