"""The scheduler: jobs that wait for another try go back into their queues when it is time."""

from collections.abc import Sequence
from typing import Final

import redis
from rq import Queue
from rq.scheduler import RQScheduler
from rq.serializers import JSONSerializer

from cloud.periodic import PeriodicTask
from cloud.store import Store
from cloud.store.connection import translating

LOOK_EVERY_S: Final = 0.5

LOCK_LIFETIME_S: Final = 10
"""How long the lock of a scheduler that was killed stays: scheduled jobs wait as long."""

RQ_ADDS_S: Final = 60
"""RQ's lock lives for its interval and a minute. RQ's interval is used for nothing else here."""


class JobScheduler(RQScheduler):
    """RQ's scheduler on the connection that it is given, and with a lock that soon runs out.

    RQ would make a second connection from the parts of the first, for a process of its own. That
    connection would know nothing of Sentinels.

    Args:
        queues: The queues whose scheduled jobs it enqueues.
        connection: The connection to the queues' Redis.
    """

    def __init__(self, queues: Sequence[Queue], connection: redis.Redis) -> None:
        self._given = connection
        super().__init__(
            queues,
            connection,
            interval=LOCK_LIFETIME_S - RQ_ADDS_S,
            logging_level="WARNING",
            serializer=JSONSerializer,
        )

    @property
    def connection(self) -> redis.Redis:
        """The connection that was given."""
        return self._given

    @translating
    def enqueue_due(self) -> None:
        """Enqueue jobs that are due, in the queues of which no other scheduler holds the lock."""
        if self.acquire_locks():  # type: ignore[no-untyped-call]
            self.enqueue_scheduled_jobs()  # type: ignore[no-untyped-call]

    @translating
    def release(self) -> None:
        """Give the locks back, so that another worker's scheduler goes on at once."""
        self.stop()  # type: ignore[no-untyped-call]


def task(store: Store) -> PeriodicTask:
    """Return the task that enqueues scheduled jobs, in one worker of all.

    RQ starts its scheduler as a process beside the worker, and that process outlives a worker that
    is killed. This task is the same scheduler on a thread, under the same lock.

    Args:
        store: The store.

    Returns:
        The task.
    """
    scheduler = JobScheduler((store.queue, store.slow_queue), store.queue_client)
    return PeriodicTask(
        "scheduler", scheduler.enqueue_due, interval_s=LOOK_EVERY_S, at_end=scheduler.release
    )
