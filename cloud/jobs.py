"""What workers do. RQ runs a job at least once; each looks first whether its effect is recorded.

A worker takes a delivery in hand for LEASE, so that no two send it; what it sent it records at
once, and waits for a store that is away to do so. The one window that stays: a worker that dies
after the other side took a message over, and before that is written down, or whose answer is lost
on the way, leaves a job that sends it again. Neither Telegram nor SMTP takes an idempotency key
that would close it. Mails and webhooks carry the same
id at every try, by which the other side may know a repetition.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import structlog
from rq import Retry
from rq.job import Job
from rq.timeouts import JobTimeoutException

from cloud import meters, retries, tracing
from cloud.contract import Channel, Delivery, DeliveryStatus
from cloud.errors import (
    ChatMoved,
    DeliveryImpossible,
    DeliveryPostponed,
    DeliveryThrottled,
    SubscriberGone,
)
from cloud.notify.base import Notifier
from cloud.posting import (
    Desk,
    Settled,
    Wait,
    acknowledged_text,
    drawn,
    is_alert,
    language_of,
    post,
    reached,
    written_down,
    zone_of,
)
from cloud.store import DELIVER, JOB_TIMEOUT_S, LeasedByAnother

log = structlog.get_logger("cloud.jobs")

LEASE = timedelta(seconds=15)
"""How long a delivery is kept for a worker that gives no sign of life; each pulse renews it."""

NO_LIMIT = 1_000_000
"""Waiting its turn costs a delivery none of its tries; those are counted in its record."""

UNCONFIGURED = {
    Channel.TELEGRAM: "CLOUD_TELEGRAM_TOKEN is not set, so nothing is sent to Telegram",
    Channel.EMAIL: "CLOUD_SMTP_HOST is not set, so no mail is sent",
    Channel.WEBHOOK: "this worker calls no webhooks",
}

_desks: list[Desk] = []


def sit_down(desk: Desk) -> None:
    """Give the jobs of this process their desk. RQ calls jobs by name, with no room for one."""
    _desks[:] = [desk]


@meters.counted
def deliver(delivery_id: str) -> Retry | None:
    """Send one delivery, unless it is settled; a Retry asks RQ to run it again later."""
    desk = _desks[0]
    delivery = desk.store.deliveries.begin(delivery_id, LEASE)
    if delivery is None:
        return None
    if isinstance(delivery, LeasedByAnother):
        return _later(int(delivery.wait.total_seconds()) + 1)
    with (
        structlog.contextvars.bound_contextvars(
            event_id=str(delivery.event_id), delivery_id=delivery_id, gate=delivery.gate
        ),
        _traced(desk, "deliver", delivery.event_id),
    ):
        return _deliver(desk, delivery)


def renew_lease(job: Job) -> None:
    """Renew the lease on the delivery of a job that is being done."""
    if job.func_name == DELIVER:
        _desks[0].store.deliveries.renew_lease(str(job.args[0]), LEASE)


@meters.counted
def draw_qr(pass_id: str) -> None:
    """Draw a pass's QR code and note that it is ready, unless that is done."""
    desk = _desks[0]
    held = desk.store.passes.get(UUID(pass_id))
    if held is not None and held.qr_ready_at is None:
        event_id = held.event_id or held.id
        with (
            structlog.contextvars.bound_contextvars(event_id=str(event_id)),
            _traced(desk, "draw_qr", event_id),
        ):
            drawn(desk, held)


@meters.counted
def show_acknowledgement(event_id: str) -> Retry | None:
    """Show in an event's alerts in Telegram who takes care of it. Done twice, it changes nothing.

    What was not sent yet is noted, and says so when it is sent.
    """
    desk, event = _desks[0], UUID(event_id)
    taken = desk.store.deliveries.acknowledgement(event)
    if taken is None:
        return None
    by, at = taken
    told = [each for each in desk.store.deliveries.of_event(event) if is_alert(each)]
    alerts = desk.store.deliveries.acknowledged([each.id for each in told], by, at)
    if desk.editor is None:
        return None
    spoken = {each.address: language_of(desk, each) for each in told}
    zone = zone_of(desk, told[0].gate) if told else desk.zone
    for alert in alerts:
        text = acknowledged_text(alert.text, by, at, spoken[alert.chat], zone)
        try:
            desk.editor.edit(alert.chat, alert.message_id, text)
        except DeliveryPostponed as error:
            log.warning("alert_edit_postponed", event_id=event_id, reason=str(error))
            return _later(int(error.retry_after_s or retries.THROTTLED_WAIT_S) + 1)
        except DeliveryImpossible as error:
            log.info("alert_not_edited", event_id=event_id, reason=str(error))
    return None


def when_failed(job: Job, _connection: object, *failure: object) -> None:
    """Settle a delivery whose job broke for the last time, so that people see it.

    Before that, let the job go ahead of all others when it is tried again: it has waited for its
    worker's death to be found out, and those who wait for one busy chat must not keep it waiting.
    And forget the tries that ended. Of one whose worker was killed RQ keeps the name for a minute
    longer than the rest, and takes a job for failed where it does not find the rest.
    """
    job.enqueue_at_front = True
    job.connection.delete(job.execution_registry.key)
    if job.retries_left or job.func_name != DELIVER:
        return
    kind = failure[0]
    reason = kind.__name__ if isinstance(kind, type) else "unknown"
    settled = Settled(DeliveryStatus.FAILED, f"the worker failed: {reason}")
    _settle(_desks[0], str(job.args[0]), settled)


@contextmanager
def _traced(desk: Desk, name: str, event_id: UUID) -> Iterator[None]:
    """Trace a job as part of what accepted its event."""
    parent = desk.store.events.trace(event_id) if tracing.is_on() else ""
    with tracing.span(name, parent=parent, event_id=str(event_id)):
        yield


def _deliver(desk: Desk, delivery: Delivery) -> Retry | None:
    notifier = desk.notifiers.get(delivery.channel)
    deleted = desk.store.deletion.is_deleted(delivery.gate)
    if notifier is None or deleted:
        reason = "the gate was deleted" if deleted else UNCONFIGURED[delivery.channel]
        _settled(desk, delivery, Settled(DeliveryStatus.UNDELIVERED_BY_CHOICE, reason))
        return None
    try:
        delivery, done = _posted(desk, delivery, notifier)
    except DeliveryImpossible as error:
        _settled(desk, delivery, Settled(DeliveryStatus.FAILED, str(error)))
        if isinstance(error, SubscriberGone):
            _refused(desk, delivery, error)
        return None
    except DeliveryPostponed as error:
        return _again(desk, delivery, error)
    except JobTimeoutException:
        # One that answers a byte at a time outlasts every timeout between two bytes.
        reason = f"the other side took longer than {JOB_TIMEOUT_S} s"
        return _again(desk, delivery, DeliveryPostponed(reason))
    match done:
        case Wait():
            desk.store.deliveries.release(delivery.id, done.reason)
            return _later(done.seconds)
        case Settled():
            _settled(desk, delivery, done)
            if done.status is DeliveryStatus.SENT:
                reached(desk, delivery)
    return None


def _posted(
    desk: Desk, delivery: Delivery, notifier: Notifier
) -> tuple[Delivery, Settled | Wait | None]:
    """Send a delivery; follow a chat that has moved, and send again there, once."""
    try:
        return delivery, post(desk, delivery, notifier)
    except ChatMoved as error:
        old, store = delivery.address, desk.store
        store.migration.move(old, error.chat, desk.clock())
        store.migration.readdress([delivery.id], old, error.chat)
        moved = store.deliveries.get(delivery.id)
        if moved is None or moved.address == old:
            raise
        log.info("chat_migrated", old=old, new=error.chat)
    return moved, post(desk, moved, notifier)


def _refused(desk: Desk, delivery: Delivery, error: SubscriberGone) -> None:
    """Count a refusal for good; whoever takes no messages waits for no pass either."""
    store, subscriber_id = desk.store, delivery.subscriber_id
    if delivery.channel is Channel.TELEGRAM:
        left = store.visitors.leave(delivery.address)
        if left is not None:
            log.info("visitor_left", gate=left, reason=str(error))
    if subscriber_id is None:
        return
    if store.suspensions.refused(
        delivery.gate, subscriber_id, str(error), desk.clock(), at_once=error.at_once
    ):
        log.warning("subscriber_suspended", subscriber_id=subscriber_id, reason=str(error))


def _again(desk: Desk, delivery: Delivery, error: DeliveryPostponed) -> Retry | None:
    store, now = desk.store, desk.clock()
    reason = str(error)
    meters.postponed(delivery)
    if isinstance(error, DeliveryThrottled):
        store.deliveries.throttle(delivery.id)
        if delivery.channel is Channel.TELEGRAM and error.retry_after_s is not None:
            meters.held(fleet=store.limiter.hold(delivery.address, error.retry_after_s))
    match retries.after(delivery, error, now):
        case retries.GivenUp(why):
            _settled(desk, delivery, Settled(DeliveryStatus.FAILED, why))
            return None
        case retries.Again(wait_s):
            log.warning("delivery_postponed", reason=reason, wait_s=wait_s)
            until = now + timedelta(seconds=wait_s)
            held = isinstance(error, DeliveryThrottled) and delivery.channel is Channel.TELEGRAM
            what = "this chat waits until" if held else "tried again at"
            detail = f"{reason}; {what} {until:%Y-%m-%d %H:%M:%S} UTC"
            store.deliveries.release(delivery.id, detail)
            return _later(wait_s)


def _later(seconds: int) -> Retry:
    return Retry(max=NO_LIMIT, interval=max(seconds, 1))


def _settled(desk: Desk, delivery: Delivery, settled: Settled) -> None:
    if _settle(desk, delivery.id, settled):
        meters.settled(delivery, settled.status, desk.clock())


def _settle(desk: Desk, delivery_id: str, settled: Settled) -> bool:
    now_settled = written_down(
        lambda: desk.store.deliveries.settle(
            delivery_id, settled.status, desk.clock(), settled.detail, settled.message_id
        )
    )
    if now_settled:
        log.info("delivery_settled", status=settled.status.value, detail=settled.detail)
    return now_settled
