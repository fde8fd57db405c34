"""RQ's worker without a fork for each job, and the loop in which it works.

RQ's default worker forks for every job, which throws away the connections to Telegram and costs
more than the sending. Jobs here are small and bounded by timeouts of their own, so they run in
the worker itself; it finishes the job that is under way when it is told to stop.
"""

import logging
import math
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any, Final

import redis
from redis.client import Pipeline
from rq import Queue, SimpleWorker, worker_registration
from rq.exceptions import StopRequested
from rq.job import Job
from rq.registry import clean_registries
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty
from rq.utils import now

from cloud import availability
from cloud.errors import StoreUnavailable
from cloud.periodic import PeriodicTask
from cloud.store import JobQueue, Store
from cloud.store.connection import translating
from cloud.worker import jobs

CLEANING_INTERVAL_S: Final = 5
"""How often a worker looks for jobs that a dead worker left behind."""

JOB_WAIT_S: Final = 2
"""How long one look for a job waits: less than the time that a connection waits for an answer of
Redis, or each idle look would end as a Redis that does not answer."""

HEARTBEAT_INTERVAL_S: Final = 5.0
"""How often a worker without a job sends RQ's heartbeat; each is good for 77 s."""

KEEP_ALIVE_INTERVAL_S: Final = 4.0
KEEP_ALIVE_LIFETIME_S: Final = 15
"""Seconds after the last keep-alive at which RQ takes a job for left behind by a dead worker."""

FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 5.0
"""Pauses between two looks whether the store is back; each is twice as long as the one before."""

MAIN_THREAD: Final = threading.main_thread().name
SLOW_THREAD: Final = "slow-jobs"
"""The thread that does the jobs of the slow queue."""


class _LostConnections(logging.Filter):
    """Turns RQ's log lines about a lost connection to Redis into a store that is away.

    RQ logs each attempt to connect again. Where a connection ends while RQ works on a job, RQ logs
    a traceback and leaves its loop; `process.work` enters the loop again once the store answers.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the line is written."""
        error = _lost_connection_of(record)
        if error is None:
            return True
        # RQ listens for commands on a thread of its own, which never says that Redis is back.
        part = threading.current_thread().name
        if part in {MAIN_THREAD, SLOW_THREAD}:
            availability.of_the_store.lost(part, error)
        return False


def _lost_connection_of(record: logging.LogRecord) -> Exception | None:
    """Return the error of a connection that RQ logs, or None for any other line."""
    message = str(record.msg)
    if "could not connect to Redis" in message:
        return next((each for each in record.args or () if isinstance(each, Exception)), None)
    error = record.exc_info[1] if record.exc_info else None
    if "found an unhandled exception, quitting" in message and isinstance(
        error, redis.ConnectionError
    ):
        return error
    return None


RQ_LOG: Final = logging.getLogger("rq.worker")
RQ_LOG.addFilter(_LostConnections())


class DeliveryWorker(SimpleWorker):
    """RQ's worker in one process, which takes up the jobs that a dead worker left behind.

    Only public methods of RQ are overridden, and each says why. How a job is started, ended, tried
    again and given up is RQ's own.
    """

    told_to_stop = False
    connection_timeout = JOB_WAIT_S
    """RQ raises the timeout of a connection that is shorter than this; the store's is longer."""

    max_connection_wait_time = LONGEST_PAUSE_S
    """RQ waits so long at most before it tries Redis again; it hears no signal meanwhile."""

    cleans: Sequence[JobQueue] = ()
    """The queues in which this worker takes up what dead workers left behind."""

    _heartbeat_at = -math.inf

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        """Finish the job that is under way, then leave; a second signal leaves at once."""
        self.told_to_stop = True
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]

    # Each write waits for Redis' disk (docs/operate.md). RQ 3.0 goes to Redis 27 times for a job,
    # 12 of them for its own dashboard and for `rq suspend`, which nobody uses here.

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Send RQ's heartbeat; between jobs only every HEARTBEAT_INTERVAL_S."""
        moment = time.monotonic()
        if pipeline is None and moment - self._heartbeat_at < HEARTBEAT_INTERVAL_S:
            return
        self._heartbeat_at = moment
        with self.connection.pipeline() as own:
            super().heartbeat(timeout, pipeline if pipeline is not None else own)
            own.execute()
        availability.of_the_store.restored(threading.current_thread().name)

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        """Remember the worker's state; write it to Redis only along with something else."""
        self._state = state
        if pipeline is not None:
            super().set_state(state, pipeline)

    def check_for_suspension(self, burst: bool) -> None:
        """Skip the look for `rq suspend`."""

    def handle_execution_ended(self, job: Job, queue: Queue, heartbeat_ttl: int) -> None:  # noqa: ARG002
        """Note when a job ended; a heartbeat at this point is not needed."""
        job.ended_at = now()

    def get_heartbeat_ttl(self, *_: Any, **__: Any) -> int:
        """Return the seconds after its last keep-alive at which a job is given up."""
        return KEEP_ALIVE_LIFETIME_S

    def clean_registries(self) -> None:
        """Take up what dead workers left behind, unless another worker does so now."""
        for queue in self.cleans:
            if queue.acquire_maintenance_lock():
                clean_registries(queue)
                worker_registration.clean_worker_registry(queue)
                queue.intermediate_queue.cleanup(self, queue)
                queue.release_maintenance_lock()  # type: ignore[no-untyped-call]
        self.last_cleaned_at = now()  # type: ignore[assignment]

    @translating
    def keep_job_alive(self) -> None:
        """Say that the job that is under way, if there is one, is still being done."""
        for execution in tuple(self.executions.values()):
            self.maintain_heartbeats(execution.job, execution)
            jobs.renew_lease(execution.job)


class ThreadWorker(DeliveryWorker):
    """The same worker on a thread, which signals do not reach."""

    death_penalty_class = TimerDeathPenalty
    """RQ ends jobs that take too long by a signal, unless it is told to use a timer."""

    def _install_signal_handlers(self) -> None:
        """Leave signals to the worker on the main thread."""

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Leave if told to while Redis is away, where RQ would try again without end."""
        try:
            super().heartbeat(timeout, pipeline)
        except redis.RedisError:
            if self.told_to_stop and pipeline is None:
                raise StopRequested from None
            raise

    @property
    def should_run_maintenance_tasks(self) -> bool:
        """Leave if told to: RQ reads this property before each look for a job."""
        if self.told_to_stop:
            raise StopRequested
        return bool(super().should_run_maintenance_tasks)


class SlowQueueWorker:
    """Does the jobs of the slow queue on a thread, so that no pass waits for a mail server.

    Args:
        store: The store.
        burst: Whether the worker ends when no job is left.
    """

    def __init__(self, store: Store, *, burst: bool) -> None:
        self._store = store
        self._burst = burst
        self._worker: DeliveryWorker | None = None
        self._task = PeriodicTask(
            SLOW_THREAD, self._work, interval_s=0, at_once=True, tracks_store=False
        )

    def start(self) -> None:
        """Start the thread."""
        self._task.start()

    def stop(self, timeout_s: float) -> None:
        """Finish the job that is under way; in a burst, finish all jobs.

        Args:
            timeout_s: Seconds to wait at most for a job; a burst is waited for in any case.
        """
        self._task.stopping.set()
        if self._worker is not None and not self._burst:
            self._worker.told_to_stop = True
        self._task.stop(None if self._burst else timeout_s)

    def _work(self) -> None:
        try:
            if wait_for_store(self._store, self._task.stopping):
                self._worker = make_worker(ThreadWorker, self._store, self._store.slow_queue)
                run(self._worker, burst=self._burst)
        finally:
            if self._burst:
                self._task.stopping.set()


def make_worker(kind: type[DeliveryWorker], store: Store, queue: JobQueue) -> DeliveryWorker:
    """Return a worker of one queue.

    Args:
        kind: The class of the worker.
        store: The store.
        queue: The queue; RQ moves a job safely from one queue alone.

    Returns:
        The worker, which has not started to work.
    """
    return kind(
        [queue],
        connection=store.queue_client,
        serializer=JSONSerializer,
        queue_class=JobQueue,
        job_class=JobQueue.job_class,
        maintenance_interval=CLEANING_INTERVAL_S,
        # RQ waits for a job for 15 s less than this, and cleans up between two waits only.
        worker_ttl=JOB_WAIT_S + 15,
        log_job_description=False,
    )


def run(worker: DeliveryWorker, *, burst: bool) -> None:
    """Do jobs until the worker is told to stop, or until Redis is away.

    Args:
        worker: The worker.
        burst: Whether to end when no job is left.
    """
    # A worker without a job asks nothing of Redis, so this task cannot tell when the store is back.
    keep_alive = PeriodicTask(
        "keep-alive", worker.keep_job_alive, interval_s=KEEP_ALIVE_INTERVAL_S, tracks_store=False
    )
    keep_alive.start()
    try:
        worker.work(burst=burst, logging_level="WARNING")
    except StopRequested:  # by a signal, at a moment at which RQ does not expect one
        worker.told_to_stop = True
    except redis.RedisError as error:
        availability.of_the_store.lost(threading.current_thread().name, error)
    finally:
        keep_alive.stop()


def wait_for_store(store: Store, stopping: threading.Event) -> bool:
    """Wait until the store answers.

    Args:
        store: The store.
        stopping: The event that ends the wait.

    Returns:
        Whether the store answers; false where `stopping` was set meanwhile.
    """
    part, pause_s = threading.current_thread().name, FIRST_PAUSE_S
    while not stopping.is_set():
        try:
            store.ping()
            store.ping_queue()
        except StoreUnavailable as error:
            availability.of_the_store.lost(part, error)
            stopping.wait(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        else:
            availability.of_the_store.restored(part)
            return True
    return False
