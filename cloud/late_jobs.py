"""Late jobs: those that wait for another try, put back into their queues when it is time."""

import threading
from collections.abc import Sequence
from typing import Final

import redis
from rq import Queue
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer

from cloud import availability
from cloud.store import Store

LATE_LOCK_S: Final = 10
"""How long the lock outlives a scheduler that was killed: so long, late jobs wait for another."""

RQ_ADDS_S: Final = 60
"""RQ's lock is for its interval and a minute. Its interval is used for nothing else here."""


class PromptScheduler(RQScheduler):
    """RQ's scheduler on the connection that it is given, and with a lock that soon runs out.

    RQ makes a connection of its own of that one's parts, for a process of its own, and knows no
    Sentinels.
    """

    def __init__(self, queues: Sequence[Queue], connection: redis.Redis) -> None:
        self._given = connection
        super().__init__(
            queues,
            connection,
            interval=LATE_LOCK_S - RQ_ADDS_S,
            logging_level="WARNING",
            serializer=JSONSerializer,
        )

    @property
    def connection(self) -> redis.Redis:
        """The connection that it was given."""
        return self._given

    def turn(self) -> None:
        """Put late jobs into their queues, where no other scheduler has the queue's lock."""
        if self.acquire_locks():  # type: ignore[no-untyped-call]
            self.enqueue_scheduled_jobs()  # type: ignore[no-untyped-call]


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
            (self._store.queue, self._store.slow_queue), self._store.queue_client
        )
        while not self._stop.wait(0.5):
            try:
                scheduler.turn()
            except redis.RedisError as error:
                availability.of_the_store.lost("late jobs", error)
            else:
                availability.of_the_store.restored("late jobs")
        try:
            scheduler.stop()  # type: ignore[no-untyped-call]
        except redis.RedisError as error:  # the lock on late jobs runs out by itself
            availability.of_the_store.lost("late jobs", error)
