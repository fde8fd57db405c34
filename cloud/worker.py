"""The worker: RQ's loop without a fork for each job.

RQ's default worker forks for every job, which throws away the connections to Telegram and costs
more than the sending. Jobs here are small and bounded by timeouts of their own, so they run in
the worker itself; it finishes the job in hand when it is told to stop. Mail and webhooks have a
queue and a thread of their own: servers of other people's that hang keep no pass waiting.
"""

import logging
import math
import signal
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from types import FrameType
from typing import Any
from zoneinfo import ZoneInfo

import redis
import structlog
from redis.client import Pipeline
from rq import Queue, SimpleWorker, worker_registration
from rq.exceptions import StopRequested
from rq.job import Job
from rq.registry import clean_registries
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty
from rq.utils import now

from cloud import availability, jobs, meters
from cloud.contract import Channel
from cloud.errors import StoreError, StoreUnavailable
from cloud.late_jobs import LateJobs
from cloud.notify.base import Notifier
from cloud.notify.mail import MailNotifier
from cloud.notify.telegram import TelegramNotifier
from cloud.notify.webhook import WebhookNotifier
from cloud.outages import Outlook
from cloud.posting import Desk
from cloud.relay import Relay
from cloud.settings import Settings
from cloud.single_flight import SingleFlight
from cloud.store import JOB_TIMEOUT_S, JobQueue, Store
from cloud.store import now as moment
from cloud.upkeep import Upkeep

log = structlog.get_logger("cloud.worker")

CLEANING_INTERVAL_S = 5
"""How often it is looked for jobs that a dead worker left behind."""

JOB_WAIT_S = 2
"""How long one look for a job waits: shorter than a connection to Redis waits for an answer, or
each idle look would end as a Redis that does not answer."""

ALIVE_S = 5.0
"""How often a worker says between jobs that it lives; what it says is good for 77 s."""

LETTERS = "letters"
"""The thread that does the jobs of mail and webhooks."""

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
"""Between two looks whether the store is there again; each is twice as long as the one before."""

PULSE_S = 4.0
PULSE_LIFETIME_S = 15
"""Seconds after its last pulse at which a job counts as left behind by a worker that died."""


class _Reconnections(logging.Filter):
    """Takes RQ's line about each attempt to reach Redis for what it says of the store."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        error = next((each for each in record.args or () if isinstance(each, Exception)), None)
        if "could not connect to Redis" not in str(record.msg) or error is None:
            return True
        # RQ listens for commands on a thread of its own, which does not say when it could again.
        part = threading.current_thread().name
        if part in {threading.main_thread().name, LETTERS}:
            availability.of_the_store.lost(part, error)
        return False


logging.getLogger("rq.worker").addFilter(_Reconnections())


class DeliveryWorker(SimpleWorker):
    """RQ's worker in one process, which takes up what a dead one left behind.

    What is overridden of RQ's are public methods, and each says why. How a job is begun, ended,
    tried again and given up on is RQ's own.
    """

    told_to_stop = False
    connection_timeout = JOB_WAIT_S
    """RQ lengthens the patience of a connection that is shorter than this; the store's is not."""

    max_connection_wait_time = LONGEST_PAUSE_S
    """RQ waits so long at most before it tries Redis again; it is not told to stop meanwhile."""

    cleans: Sequence[JobQueue] = ()
    """The queues on which it takes up what dead workers left behind."""

    _said_alive_at = -math.inf

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Finish the job in hand, then leave; a second signal leaves at once."""
        self.told_to_stop = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    # Each write waits for Redis' disk (docs/operate.md). RQ 3.0 goes to Redis 27 times for a job,
    # 12 of them for its own dashboard and for `rq suspend`, which nobody uses here.

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Say that this worker lives; between jobs only now and then."""
        moment = time.monotonic()
        if pipeline is None and moment - self._said_alive_at < ALIVE_S:
            return
        self._said_alive_at = moment
        with self.connection.pipeline() as own:
            super().heartbeat(timeout, pipeline if pipeline is not None else own)
            own.execute()
        availability.of_the_store.restored(threading.current_thread().name)

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        """Remember whether a job is in hand; Redis learns of it where it is written to anyway."""
        self._state = state
        if pipeline is not None:
            super().set_state(state, pipeline)

    def check_for_suspension(self, burst: bool) -> None:
        """Look for no `rq suspend`."""

    def handle_execution_ended(self, job: Job, queue: Queue, heartbeat_ttl: int) -> None:  # noqa: ARG002
        """Note when a job ended; that it lives need not be said any more."""
        job.ended_at = now()

    def get_heartbeat_ttl(self, *_: Any, **__: Any) -> int:
        """Return how long after its last pulse a job in hand is given up on."""
        return PULSE_LIFETIME_S

    def clean_registries(self) -> None:
        """Take up what dead workers left behind, unless another worker does just now."""
        for queue in self.cleans:
            if queue.acquire_maintenance_lock():
                clean_registries(queue)
                worker_registration.clean_worker_registry(queue)
                queue.intermediate_queue.cleanup(self, queue)
                queue.release_maintenance_lock()  # type: ignore[no-untyped-call]
        self.last_cleaned_at = now()  # type: ignore[assignment]

    def pulse(self) -> None:
        """Say that the job in hand, if there is one, is being done."""
        for execution in tuple(self.executions.values()):
            self.maintain_heartbeats(execution.job, execution)
            jobs.renew_lease(execution.job)


class LettersWorker(DeliveryWorker):
    """The same on a thread, which signals do not reach. RQ cleans up with signals."""

    death_penalty_class = TimerDeathPenalty

    def _install_signal_handlers(self) -> None:
        """Leave them to the worker on the main thread."""

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Leave if told to while Redis is away: RQ would try again for ever."""
        try:
            super().heartbeat(timeout, pipeline)
        except redis.RedisError:
            if self.told_to_stop and pipeline is None:
                raise StopRequested from None
            raise

    @property
    def should_run_maintenance_tasks(self) -> bool:
        """Leave if told to: RQ asks this before each look for a job."""
        if self.told_to_stop:
            raise StopRequested
        return bool(super().should_run_maintenance_tasks)


class Letters:
    """Does the jobs of mail and webhooks on a thread, beside those of passes and alerts."""

    def __init__(self, store: Store, *, burst: bool) -> None:
        self._store = store
        self._burst = burst
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=LETTERS, daemon=True)
        self._worker: DeliveryWorker | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the job in hand; in a burst, all there are."""
        self._stop.set()
        if self._worker is not None and not self._burst:
            self._worker.told_to_stop = True
        self._thread.join(timeout=None if self._burst else JOB_TIMEOUT_S)

    def _work(self) -> None:
        while _store_answers(self._store, self._stop):
            self._worker = _worker(LettersWorker, self._store, self._store.slow_queue)
            _do(self._worker, burst=self._burst)
            if self._burst:
                return


class Pulse:
    """Keeps the job in hand from being taken for one of a dead worker, on a thread."""

    def __init__(self, worker: DeliveryWorker) -> None:
        self._worker = worker
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """Beat no more."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _beat(self) -> None:
        while not self._stop.wait(PULSE_S):
            try:
                self._worker.pulse()
            except (redis.RedisError, StoreError) as error:
                availability.of_the_store.mention(error)


def measures(store: Store) -> meters.StoreMeasures:
    """Return what this worker's metrics tell of the store; raise StoreError where it is away."""
    at = moment()
    return meters.StoreMeasures(
        queue_depth=store.waiting_jobs(),
        queue_oldest_job_seconds=store.oldest_wait_s(),
        telegram_held_chats=store.limiter.held_chats(at),
        telegram_fleet_hold_seconds=store.limiter.fleet_held_s(at),
        subscribers_suspended=store.suspensions.count(),
    )


def _or_none(measured: SingleFlight[meters.StoreMeasures]) -> meters.StoreMeasures | None:
    try:
        return measured.result()
    except (StoreError, TimeoutError):
        return None


def notifiers(settings: Settings) -> dict[Channel, Notifier]:
    """Return the channels that the settings make usable."""
    usable: dict[Channel, Notifier] = {
        Channel.WEBHOOK: WebhookNotifier(private_addresses=settings.webhook_private_addresses)
    }
    if settings.telegram_token is not None:
        usable[Channel.TELEGRAM] = TelegramNotifier(
            settings.telegram_token.get_secret_value(), settings.telegram_api_url
        )
    if settings.smtp_host is not None:
        usable[Channel.EMAIL] = MailNotifier(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=settings.smtp_security,
            sender=settings.smtp_sender,
            username=settings.smtp_username,
            password=settings.smtp_password,
        )
    return usable


def work(settings: Settings, *, burst: bool = False) -> None:
    """Do jobs until SIGTERM or SIGINT; with `burst`, until none is left.

    Waits for a store that is away, at start and later on.
    """
    store = Store.open(settings)
    usable = notifiers(settings)
    cooldown = timedelta(seconds=settings.mail_cooldown_s)
    telegram = usable.get(Channel.TELEGRAM)
    editor = telegram if isinstance(telegram, TelegramNotifier) else None
    jobs.sit_down(
        Desk(
            store,
            usable,
            settings.public_url,
            mail_cooldown=cooldown,
            editor=editor,
            zone=ZoneInfo(settings.time_zone),
        )
    )
    measured = SingleFlight(partial(measures, store), meters.MEASURED_WITHIN_S)
    meters.watch_store(partial(_or_none, measured))
    end_metrics = meters.serve(settings)
    relay = Relay(store)
    parts = (LateJobs(store), Upkeep(store, settings), Outlook(store, settings), relay)
    stop = threading.Event()
    _listen_for_signals(stop)
    if burst and _store_answers(store, stop):
        relay.drain()
    for part in parts:
        part.start()
    letters = Letters(store, burst=burst)
    letters.start()
    log.info("worker_started", channels=sorted(usable))
    try:
        while not _worked(store, stop, burst=burst) and not burst:
            log.debug("worker_starts_again")
    finally:
        end_metrics()
        letters.stop()
        for part in reversed(parts):
            part.stop()
        for notifier in usable.values():
            notifier.close()
        store.close()
        log.info("worker_stopped")


def _worked(store: Store, stop: threading.Event, *, burst: bool) -> bool:
    """Do jobs until Redis is away; return whether the worker was told to stop."""
    _listen_for_signals(stop)
    if not _store_answers(store, stop):
        return True
    worker = _worker(DeliveryWorker, store, store.queue)
    worker.cleans = (store.queue, store.slow_queue)
    _do(worker, burst=burst)
    return worker.told_to_stop


def _worker(kind: type[DeliveryWorker], store: Store, queue: JobQueue) -> DeliveryWorker:
    return kind(
        [queue],  # RQ takes a job from one queue alone so that it is not lost on the way
        connection=store.queue_client,
        serializer=JSONSerializer,
        queue_class=JobQueue,
        job_class=JobQueue.job_class,
        maintenance_interval=CLEANING_INTERVAL_S,
        # RQ waits for a job for 15 s less than this, and cleans up between two waits only.
        worker_ttl=JOB_WAIT_S + 15,
        log_job_description=False,
    )


def _do(worker: DeliveryWorker, *, burst: bool) -> None:
    """Run RQ's loop, which leaves when Redis does."""
    pulse = Pulse(worker)
    pulse.start()
    try:
        worker.work(burst=burst, logging_level="WARNING")
    except StopRequested:  # by a signal, at a moment at which RQ does not expect one
        worker.told_to_stop = True
    except redis.RedisError as error:
        availability.of_the_store.lost(threading.current_thread().name, error)
    finally:
        pulse.stop()


def _listen_for_signals(stop: threading.Event) -> None:
    """Set `stop` on SIGTERM or SIGINT, until RQ begins to work and listens by itself."""

    def told(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)  # the second time ends it at once

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, told)


def _store_answers(store: Store, stop: threading.Event) -> bool:
    """Wait until the store is there, and return true; false when told to stop meanwhile."""
    part, pause_s = threading.current_thread().name, FIRST_PAUSE_S
    while not stop.is_set():
        try:
            store.ping()
            store.ping_queue()
        except StoreUnavailable as error:
            availability.of_the_store.lost(part, error)
            stop.wait(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        else:
            availability.of_the_store.restored(part)
            return True
    return False
