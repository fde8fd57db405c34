"""The worker: RQ's loop without a fork for each job.

RQ's default worker forks for every job, which throws away the connections to Telegram and costs
more than the sending. Jobs here are small and bounded by timeouts of their own, so they run in
the worker itself; it finishes the job in hand when it is told to stop.
"""

import threading
from types import FrameType

import redis
import stamina
import structlog
from rq import SimpleWorker
from rq.job import Job
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer

from cloud import jobs
from cloud.contract import Channel
from cloud.errors import StoreUnavailable
from cloud.notify.base import Notifier
from cloud.notify.mail import MailNotifier
from cloud.notify.telegram import TelegramNotifier
from cloud.settings import Settings
from cloud.store import Store

log = structlog.get_logger("cloud.worker")

CLEANING_INTERVAL_S = 20
GRACE_S = 5
"""Seconds past its timeout after which a job counts as left behind by a worker that died."""


class DeliveryWorker(SimpleWorker):
    """RQ's worker in one process, which takes up what a dead one left behind."""

    told_to_stop = False

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Finish the job in hand, then leave; a second signal leaves at once."""
        self.told_to_stop = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    def get_heartbeat_ttl(self, job: Job) -> int:
        """Return how long a job in hand is believed to be alive."""
        return int(job.timeout or 0) + GRACE_S


class LateJobs:
    """Puts jobs that wait for another try back into the queue when their time has come.

    RQ's own scheduler is a process beside the worker, which outlives one that is killed. This is
    the same scheduler on a thread, under the same lock: one of all workers does it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="late-jobs", daemon=True)

    def start(self) -> None:
        """Begin to look, every half second."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more, and leave the lock to another worker."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _work(self) -> None:
        scheduler = RQScheduler(
            [self._store.queue],
            connection=self._store.client,
            logging_level="WARNING",
            serializer=JSONSerializer,
        )
        scheduler.register_birth()
        while not self._stop.wait(0.5):
            try:
                scheduler.acquire_locks()  # type: ignore[no-untyped-call]
                if scheduler.acquired_locks:
                    scheduler.enqueue_scheduled_jobs()  # type: ignore[no-untyped-call]
            except redis.RedisError as error:
                log.warning("late jobs wait: the store is away", error=str(error))
        try:
            scheduler.stop()  # type: ignore[no-untyped-call]
        except redis.RedisError as error:
            log.warning("the lock on late jobs runs out by itself", error=str(error))


def notifiers(settings: Settings) -> dict[Channel, Notifier]:
    """Return the channels that the settings make usable."""
    usable: dict[Channel, Notifier] = {}
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
    jobs.sit_down(jobs.Desk(store, usable, settings.public_url))
    late = LateJobs(store)
    late.start()
    log.info("worker started", channels=sorted(usable))
    try:
        while not _worked(store, burst) and not burst:
            log.warning("worker starts again")
    finally:
        late.stop()
        for notifier in usable.values():
            notifier.close()
        store.close()
        log.info("worker stopped")


def _worked(store: Store, burst: bool) -> bool:
    """Run RQ's loop, which leaves when Redis does; return whether it was told to stop."""
    _wait_for(store)
    worker = DeliveryWorker(
        [store.queue],
        connection=store.client,
        serializer=JSONSerializer,
        maintenance_interval=CLEANING_INTERVAL_S,
        worker_ttl=60,
        log_job_description=False,
    )
    try:
        worker.work(burst=burst, logging_level="WARNING")
    except redis.RedisError as error:
        log.warning("the store went away", error=str(error))
    return worker.told_to_stop


def _wait_for(store: Store) -> None:
    for attempt in stamina.retry_context(
        on=StoreUnavailable, attempts=None, timeout=None, wait_max=5.0
    ):
        with attempt:
            store.ping()
