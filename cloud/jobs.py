"""What workers do. RQ runs a job at least once; each looks first whether its effect is recorded.

The one window that stays: a worker that dies after the other side took a message over, and before
that is written down, leaves a job that sends it again. Neither Telegram nor SMTP takes an
idempotency key that would close it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog
from rq import Retry, get_current_job
from rq.job import Job

from cloud import qr
from cloud.contract import Channel, Delivery, DeliveryStatus, PassStatus
from cloud.errors import DeliveryImpossible, DeliveryPostponed
from cloud.notify.base import Message, Notifier
from cloud.store import DELIVER, Store, StoredPass, now

log = structlog.get_logger("cloud.jobs")

WAITS_S = [1, 2, 5, 15, 30, 60, 120, 300]
"""Seconds to wait after each postponed try, where the other side does not say how long."""

UNCONFIGURED = {
    Channel.TELEGRAM: "CLOUD_TELEGRAM_TOKEN is not set, so nothing is sent to Telegram",
    Channel.EMAIL: "CLOUD_SMTP_HOST is not set, so no mail is sent",
}


@dataclass(frozen=True, slots=True)
class Desk:
    """What a worker's jobs work with."""

    store: Store
    notifiers: Mapping[Channel, Notifier]
    public_url: str | None
    clock: Callable[[], datetime] = field(default=now)


_desks: list[Desk] = []


def sit_down(desk: Desk) -> None:
    """Give the jobs of this process their desk. RQ calls jobs by name, with no room for one."""
    _desks[:] = [desk]


def deliver(delivery_id: str) -> Retry | None:
    """Send one delivery, unless it is settled; a Retry asks RQ to run it again later."""
    desk = _desks[0]
    delivery = desk.store.deliveries.get(delivery_id)
    if delivery is None or delivery.status is not DeliveryStatus.PENDING:
        return None
    with structlog.contextvars.bound_contextvars(
        event_id=str(delivery.event_id), delivery_id=delivery_id, gate=delivery.gate
    ):
        return _deliver(desk, delivery)


def draw_qr(pass_id: str) -> None:
    """Draw a pass's QR code and note that it is ready, unless that is done."""
    desk = _desks[0]
    held = desk.store.passes.get(UUID(pass_id))
    if held is not None and held.qr_ready_at is None:
        with structlog.contextvars.bound_contextvars(event_id=str(held.event_id)):
            _drawn(desk, held)


def when_failed(job: Job, _connection: object, *failure: object) -> None:
    """Settle a delivery whose job broke for the last time, so that people see it."""
    if job.retries_left or job.func_name != DELIVER:
        return
    kind = failure[0]
    reason = kind.__name__ if isinstance(kind, type) else "unknown"
    _settle(_desks[0], str(job.args[0]), DeliveryStatus.FAILED, f"the worker failed: {reason}")


def _deliver(desk: Desk, delivery: Delivery) -> Retry | None:
    notifier = desk.notifiers.get(delivery.channel)
    if notifier is None:
        reason = UNCONFIGURED[delivery.channel]
        _settle(desk, delivery.id, DeliveryStatus.UNDELIVERED_BY_CHOICE, reason)
        return None
    try:
        image = _image(desk, delivery) if delivery.with_qr else None
        notifier.send(Message(delivery.address, delivery.text, image))
    except DeliveryImpossible as error:
        _settle(desk, delivery.id, DeliveryStatus.FAILED, str(error))
        return None
    except DeliveryPostponed as error:
        return _again(desk, delivery, error)
    _settle(desk, delivery.id, DeliveryStatus.SENT)
    return None


def _again(desk: Desk, delivery: Delivery, error: DeliveryPostponed) -> Retry | None:
    job = get_current_job()
    tries = (job.number_of_retries or 0) if job is not None else 0
    if tries >= len(WAITS_S):
        reason = f"given up after {tries + 1} tries: {error}"
        _settle(desk, delivery.id, DeliveryStatus.FAILED, reason)
        return None
    # RQ waits whole seconds; a second more than was asked is within what was asked.
    asked = error.retry_after_s
    wait = WAITS_S[tries] if asked is None else int(asked) + 1
    log.warning("delivery postponed", reason=str(error), tries=tries + 1, wait_s=wait)
    return Retry(max=len(WAITS_S) + 1, interval=wait)


def _image(desk: Desk, delivery: Delivery) -> bytes:
    event = desk.store.events.get(delivery.event_id, desk.clock())
    record = event.pass_record if event is not None else None
    if record is None or record.status is not PassStatus.ISSUED:
        over = "gone" if record is None else record.status.value
        raise DeliveryImpossible(f"the pass was {over} before it could be sent")
    held = desk.store.passes.get(record.id)
    image = desk.store.passes.qr(record.id)
    if image is None and held is not None:
        image = _drawn(desk, held)
    if image is None:
        raise DeliveryImpossible("the pass was expired before it could be sent")
    return image


def _drawn(desk: Desk, held: StoredPass) -> bytes | None:
    token = desk.store.passes.token(held.id)
    if token is None:
        log.warning("pass expired before its code was drawn", pass_id=str(held.id))
        return None
    image = qr.png(qr.payload(token, desk.public_url))
    desk.store.passes.keep_qr(held, image, desk.clock())
    log.info("code drawn", pass_id=str(held.id))
    return image


def _settle(desk: Desk, delivery_id: str, status: DeliveryStatus, detail: str = "") -> None:
    if desk.store.deliveries.settle(delivery_id, status, desk.clock(), detail):
        log.info("delivery settled", status=status.value, detail=detail)
