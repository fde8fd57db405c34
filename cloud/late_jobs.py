"""Late jobs: those that wait for another try, put back into their queues when it is time."""

import threading
from typing import Any, Final

import redis
import structlog
from rq import Queue
from rq.job import Job
from rq.scheduler import RQScheduler
from rq.scripts import acquire_or_refresh_lock
from rq.serializers import JSONSerializer
from rq.utils import current_timestamp

from cloud.store import CRASH_RETRIES, Store

log = structlog.get_logger("cloud.worker")

LATE_LOCK_S: Final = 10
"""RQ's own scheduler keeps its lock for 61 s, for which a killed worker's retries would wait."""


class PromptScheduler(RQScheduler):
    """RQ's scheduler, whose lock another takes over soon after its holder was killed."""

    def __init__(self, queues: list[Queue], connection: redis.Redis, **more: Any) -> None:
        super().__init__(queues, connection, **more)
        # RQ makes another of its parts, for a process of its own, and knows no sentinels.
        self._connection = connection  # type: ignore[assignment]

    def acquire_locks(self, auto_start: bool = False) -> set[str]:  # noqa: ARG002
        """Take or keep the lock on each queue; return the queues whose lock is ours."""
        self._scheduled_job_registries = []
        self._acquired_locks = {
            name
            for name in self._queue_names
            if acquire_or_refresh_lock(
                self.connection, self.get_locking_key(name), self.name, LATE_LOCK_S
            )
            != "taken"
        }
        return self._acquired_locks

    def enqueue_scheduled_jobs(self) -> None:
        """Put jobs whose time has come into their queues.

        One that a dead worker had in hand goes before all others: it has waited for that to be
        found out. One that waits for its turn goes after them, or those who wait for one busy chat
        would keep everybody else waiting.
        """
        if not self._scheduled_job_registries:
            self.prepare_registries()
        for registry in self._scheduled_job_registries:
            ids = registry.get_jobs_to_schedule(current_timestamp())
            if not ids:
                continue
            queue = Queue(registry.name, connection=self.connection, serializer=self.serializer)
            with self.connection.pipeline() as pipe:
                for job in Job.fetch_many(ids, self.connection, self.serializer):
                    if job is not None:
                        broke = job.retries_left != len(CRASH_RETRIES)
                        queue._enqueue_job(job, pipeline=pipe, at_front=broke)
                for each in ids:
                    registry.remove(each, pipeline=pipe)
                pipe.execute()


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
        scheduler = PromptScheduler(
            [self._store.queue, self._store.letters],
            connection=self._store.queue_client,
            logging_level="WARNING",
            serializer=JSONSerializer,
        )
        while not self._stop.wait(0.5):
            try:
                scheduler.acquire_locks()
                if scheduler.acquired_locks:
                    scheduler.enqueue_scheduled_jobs()
            except redis.RedisError as error:
                log.warning("late jobs wait: the store is away", error=str(error))
        try:
            scheduler.stop()  # type: ignore[no-untyped-call]
        except redis.RedisError as error:
            log.warning("the lock on late jobs runs out by itself", error=str(error))
