"""The worker process: two RQ workers, the background tasks and the metrics, from start to stop."""

import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from types import FrameType
from zoneinfo import ZoneInfo

import structlog

from cloud import meters
from cloud.contract import Channel
from cloud.errors import StoreError
from cloud.notify.base import AlertEditor, Notifier
from cloud.notify.channels import notifiers
from cloud.settings import Settings
from cloud.signing import PassSigner
from cloud.single_flight import SingleFlight
from cloud.store import JOB_TIMEOUT_S, Store, now
from cloud.worker import jobs, maintenance, outages, relay, scheduler
from cloud.worker.context import JobContext
from cloud.worker.rq_worker import (
    DeliveryWorker,
    SlowQueueWorker,
    make_worker,
    run,
    wait_for_store,
)

log = structlog.get_logger("cloud.worker")


def work(settings: Settings, *, burst: bool = False) -> None:
    """Do jobs until SIGTERM or SIGINT; with `burst`, until no job is left.

    The worker waits for a store that is away, at the start and later.

    Args:
        settings: The settings.
        burst: Whether to end when no job is left.
    """
    store = Store.open(settings)
    usable = notifiers(settings)
    jobs.set_context(_context(store, usable, settings))
    end_metrics = _serve_metrics(store, settings)
    stopping = threading.Event()
    _listen_for_signals(stopping)
    if burst and wait_for_store(store, stopping):
        relay.drain(store)
    tasks = [
        scheduler.task(store),
        *maintenance.tasks(store, settings),
        outages.task(store, settings),
        *relay.tasks(store),
    ]
    for task in tasks:
        task.start()
    slow = SlowQueueWorker(store, burst=burst)
    slow.start()
    log.info("worker_started", channels=sorted(usable))
    try:
        while not _do_jobs(store, stopping, burst=burst) and not burst:
            log.debug("worker_starts_again")
    finally:
        end_metrics()
        slow.stop(JOB_TIMEOUT_S)
        for task in reversed(tasks):
            task.stop()
        for notifier in usable.values():
            notifier.close()
        store.close()
        log.info("worker_stopped")


def _context(store: Store, usable: dict[Channel, Notifier], settings: Settings) -> JobContext:
    telegram = usable.get(Channel.TELEGRAM)
    return JobContext(
        store,
        usable,
        settings.public_url,
        mail_cooldown=timedelta(seconds=settings.mail_cooldown_s),
        editor=telegram if isinstance(telegram, AlertEditor) else None,
        zone=ZoneInfo(settings.time_zone),
        signer=PassSigner.of_setting(settings.pass_signing_key),
    )


def _serve_metrics(store: Store, settings: Settings) -> Callable[[], None]:
    """Serve this process's metrics, if a port is set; return the function that ends that."""
    measured = SingleFlight(partial(_measure, store), meters.MEASURED_WITHIN_S)

    def measures() -> meters.StoreMeasures | None:
        try:
            return measured.result()
        except (StoreError, TimeoutError):
            return None

    meters.watch_store(measures)
    return meters.serve(settings)


def _measure(store: Store) -> meters.StoreMeasures:
    at = now()
    return meters.StoreMeasures(
        queue_depth=store.waiting_jobs(),
        queue_oldest_job_seconds=store.oldest_wait_s(),
        telegram_held_chats=store.limiter.held_chats(at),
        telegram_fleet_hold_seconds=store.limiter.fleet_held_s(at),
        subscribers_suspended=store.suspensions.count(),
    )


def _do_jobs(store: Store, stopping: threading.Event, *, burst: bool) -> bool:
    """Do jobs until Redis is away; return whether the worker was told to stop."""
    _listen_for_signals(stopping)
    if not wait_for_store(store, stopping):
        return True
    worker = make_worker(DeliveryWorker, store, store.queue)
    worker.cleans = (store.queue, store.slow_queue)
    run(worker, burst=burst)
    return worker.told_to_stop


def _listen_for_signals(stopping: threading.Event) -> None:
    """Set `stopping` on SIGTERM or SIGINT, until RQ starts to work and listens itself."""

    def stop(number: int, _frame: FrameType | None) -> None:
        stopping.set()
        signal.signal(number, signal.SIG_DFL)  # a second signal ends the process at once

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
