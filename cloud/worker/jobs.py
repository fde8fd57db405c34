"""The jobs that a worker does: a message is sent, a QR code drawn, an alert edited.

RQ runs a job at least once, so each job first looks whether its effect is recorded. A worker holds
a lease on a delivery while it sends it, so that no two workers send the same one. It records what
it sent at once, and waits for a store that is away to do so.

One case of a message that comes twice remains: the other side takes a message over, and the worker
dies before it records that, or the other side's answer is lost. The job then sends the message
again. Neither Telegram nor SMTP takes an idempotency key that would close this gap. Mails and
webhooks carry the same id at every try, by which the other side may recognise a repetition.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from rq import Retry
from rq.job import Job
from rq.timeouts import JobTimeoutException

from cloud import meters, tracing
from cloud.contract import Delivery, DeliveryStatus
from cloud.errors import (
    ChatMoved,
    DeliveryImpossible,
    DeliveryPostponed,
    DeliveryThrottled,
    SubscriberGone,
)
from cloud.notify.alerts import acknowledged_text, is_alert
from cloud.notify.base import Notifier
from cloud.notify.channels import CHANNELS, SendingRule
from cloud.store import DELIVER, JOB_TIMEOUT_S, LeasedByAnother
from cloud.worker import qr_codes, retries
from cloud.worker.context import JobContext
from cloud.worker.outcomes import Settled, Wait, recorded
from cloud.worker.sending import send

log = structlog.get_logger("cloud.jobs")

LEASE: Final = timedelta(seconds=15)
"""How long a delivery is kept for a worker that gives no sign of life; keep-alives renew it."""

NO_LIMIT: Final = 1_000_000
"""Waiting costs a delivery no try: its tries are counted in its record, and not by RQ."""

_contexts: list[JobContext] = []


def set_context(context: JobContext) -> None:
    """Set the context of all jobs of this process: RQ calls a job with its arguments alone."""
    _contexts[:] = [context]


@meters.counted
def deliver(delivery_id: str) -> Retry | None:
    """Send one delivery, unless it has its final status.

    Args:
        delivery_id: The delivery's id.

    Returns:
        None when the job is done; a Retry asks RQ to run the job again later.
    """
    context = _contexts[0]
    delivery = context.store.deliveries.begin(delivery_id, LEASE)
    if delivery is None:
        return None
    if isinstance(delivery, LeasedByAnother):
        return _later(int(delivery.wait.total_seconds()) + 1)
    with (
        structlog.contextvars.bound_contextvars(
            event_id=str(delivery.event_id), delivery_id=delivery_id, gate=delivery.gate
        ),
        _traced(context, "deliver", delivery.event_id),
    ):
        return _deliver(context, delivery)


def renew_lease(job: Job) -> None:
    """Renew the lease on the delivery of a job that is being done."""
    if job.func_name == DELIVER:
        _contexts[0].store.deliveries.renew_lease(str(job.args[0]), LEASE)


@meters.counted
def draw_qr(pass_id: str) -> None:
    """Draw a pass's QR code and record that it is ready, unless that is done."""
    context = _contexts[0]
    held = context.store.passes.get(UUID(pass_id))
    if held is not None and held.qr_ready_at is None:
        event_id = held.event_id or held.id
        with (
            structlog.contextvars.bound_contextvars(event_id=str(event_id)),
            _traced(context, "draw_qr", event_id),
        ):
            qr_codes.draw(context, held)


@meters.counted
def show_acknowledgement(event_id: str) -> Retry | None:
    """Show in an event's alerts in Telegram who takes care of the event.

    Done twice, the job changes nothing. An alert that was not sent yet says so when it is sent.

    Args:
        event_id: The event's id.

    Returns:
        None when the job is done; a Retry asks RQ to run the job again later.
    """
    context, event = _contexts[0], UUID(event_id)
    taken = context.store.deliveries.acknowledgement(event)
    if taken is None:
        return None
    by, at = taken
    told = [each for each in context.store.deliveries.of_event(event) if is_alert(each)]
    alerts = context.store.deliveries.acknowledged([each.id for each in told], by, at)
    if context.editor is None:
        return None
    languages = {each.address: context.language_of(each) for each in told}
    zone = context.zone_of(told[0].gate) if told else context.zone
    for alert in alerts:
        text = acknowledged_text(alert.text, by, at, languages[alert.chat], zone)
        try:
            context.editor.edit(alert.chat, alert.message_id, text)
        except DeliveryPostponed as error:
            log.warning("alert_edit_postponed", event_id=event_id, reason=str(error))
            return _later(int(error.retry_after_s or retries.THROTTLED_WAIT_S) + 1)
        except DeliveryImpossible as error:
            log.info("alert_not_edited", event_id=event_id, reason=str(error))
    return None


def when_failed(job: Job, _connection: object, *failure: object) -> None:
    """Fail a delivery whose job broke for the last time, so that people see it.

    A job that has tries left goes ahead of all others at its next try: it has waited until the
    death of its worker was noticed, and jobs that wait for one busy chat must not delay it
    further. The executions that ended are forgotten: of one whose worker was killed, RQ keeps the
    name for a minute longer than the rest, and takes a job for failed where the rest is missing.

    Args:
        job: The job that broke.
        failure: The type of the exception, the exception and its traceback, as RQ gives them.
    """
    job.enqueue_at_front = True
    job.connection.delete(job.execution_registry.key)
    if job.retries_left or job.func_name != DELIVER:
        return
    kind = failure[0]
    reason = kind.__name__ if isinstance(kind, type) else "unknown"
    settled = Settled(DeliveryStatus.FAILED, f"the worker failed: {reason}")
    _record_settled(_contexts[0], str(job.args[0]), settled)


@contextmanager
def _traced(context: JobContext, name: str, event_id: UUID) -> Iterator[None]:
    """Trace a job as a part of the request that accepted its event."""
    parent = context.store.events.trace(event_id) if tracing.is_on() else ""
    with tracing.span(name, parent=parent, event_id=str(event_id)):
        yield


def _deliver(context: JobContext, delivery: Delivery) -> Retry | None:
    notifier = context.notifiers.get(delivery.channel)
    deleted = context.store.deletion.is_deleted(delivery.gate)
    if notifier is None or deleted:
        reason = "the gate was deleted" if deleted else CHANNELS[delivery.channel].unconfigured
        _settle(context, delivery, Settled(DeliveryStatus.UNDELIVERED_BY_CHOICE, reason))
        return None
    try:
        delivery, outcome = _send(context, delivery, notifier)
    except DeliveryImpossible as error:
        _settle(context, delivery, Settled(DeliveryStatus.FAILED, str(error)))
        if isinstance(error, SubscriberGone):
            _record_refusal(context, delivery, error)
        return None
    except DeliveryPostponed as error:
        return _try_again(context, delivery, error)
    except JobTimeoutException:
        # A server that answers one byte at a time outlasts every timeout between two bytes.
        reason = f"the other side took longer than {JOB_TIMEOUT_S} s"
        return _try_again(context, delivery, DeliveryPostponed(reason))
    match outcome:
        case Wait():
            context.store.deliveries.release(delivery.id, outcome.reason)
            return _later(outcome.seconds)
        case Settled():
            _settle(context, delivery, outcome)
            if outcome.status is DeliveryStatus.SENT:
                context.record_reached(delivery)
    return None


def _send(
    context: JobContext, delivery: Delivery, notifier: Notifier
) -> tuple[Delivery, Settled | Wait | None]:
    """Send a delivery; follow a chat that has moved, and send to its new id, once."""
    try:
        return delivery, send(context, delivery, notifier)
    except ChatMoved as error:
        old, store = delivery.address, context.store
        store.migration.move(old, error.chat, context.clock())
        store.migration.readdress([delivery.id], old, error.chat)
        moved = store.deliveries.get(delivery.id)
        if moved is None or moved.address == old:
            raise
        log.info("chat_migrated", old=old, new=error.chat)
    return moved, send(context, moved, notifier)


def _record_refusal(context: JobContext, delivery: Delivery, error: SubscriberGone) -> None:
    """Count a refusal for good. A chat that takes no messages waits for no pass either."""
    store, subscriber_id = context.store, delivery.subscriber_id
    if CHANNELS[delivery.channel].carries_codes:
        left = store.visitors.leave(delivery.address)
        if left is not None:
            log.info("visitor_left", gate=left, reason=str(error))
    if subscriber_id is None:
        return
    if store.suspensions.refused(
        delivery.gate, subscriber_id, str(error), context.clock(), at_once=error.at_once
    ):
        log.warning("subscriber_suspended", subscriber_id=subscriber_id, reason=str(error))


def _try_again(context: JobContext, delivery: Delivery, error: DeliveryPostponed) -> Retry | None:
    store, now = context.store, context.clock()
    reason = str(error)
    meters.postponed(delivery)
    held = False
    if isinstance(error, DeliveryThrottled):
        store.deliveries.throttle(delivery.id)
        held = CHANNELS[delivery.channel].rule is SendingRule.CHAT
        if held and error.retry_after_s is not None:
            meters.held(fleet=store.limiter.hold(delivery.address, error.retry_after_s))
    match retries.after(delivery, error, now):
        case retries.GivenUp(why):
            _settle(context, delivery, Settled(DeliveryStatus.FAILED, why))
            return None
        case retries.Again(wait_s):
            log.warning("delivery_postponed", reason=reason, wait_s=wait_s)
            until = now + timedelta(seconds=wait_s)
            what = "this chat waits until" if held else "tried again at"
            detail = f"{reason}; {what} {until:%Y-%m-%d %H:%M:%S} UTC"
            store.deliveries.release(delivery.id, detail)
            return _later(wait_s)


def _later(seconds: int) -> Retry:
    return Retry(max=NO_LIMIT, interval=max(seconds, 1))


def _settle(context: JobContext, delivery: Delivery, settled: Settled) -> None:
    if _record_settled(context, delivery.id, settled):
        meters.settled(delivery, settled.status, context.clock())


def _record_settled(context: JobContext, delivery_id: str, settled: Settled) -> bool:
    is_first = recorded(
        lambda: context.store.deliveries.settle(
            delivery_id, settled.status, context.clock(), settled.detail, settled.message_id
        )
    )
    if is_first:
        log.info("delivery_settled", status=settled.status.value, detail=settled.detail)
    return is_first
