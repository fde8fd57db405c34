"""Lost jobs: the jobs of pending deliveries that are no longer in the queue.

A delivery is written with its job. The job can still be lost: where the queue has a Redis of its
own that loses its data, or where a worker and Redis die at the same time. The delivery would then
be pending for ever.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, cast

import redis
from rq.job import Job

from cloud.contract import Channel, Delivery, DeliveryStatus
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.jobs.queue import JobWriter
from cloud.store.records import Fields, parsed
from cloud.store.streams import Span

LOST_AFTER: Final = timedelta(minutes=10)
"""Younger deliveries are left out: their jobs may be on their way to the queue."""

LOOKED_BACK: Final = timedelta(days=2)
"""Longer than the quiet hours and the tries of a delivery together."""

BATCH: Final = 500


@translates_redis_errors
class LostJobs:
    """Finds pending deliveries without a job, and queues their jobs again."""

    def __init__(self, client: redis.Redis, queue_client: redis.Redis, jobs: JobWriter) -> None:
        self._client = client
        self._queue_client = queue_client
        self._jobs = jobs

    def claim(self, interval: timedelta) -> bool:
        """Return True to one caller in each interval, of all processes, which then looks."""
        return bool(self._client.set(keyspace.LOST_JOBS, "1", nx=True, ex=interval))

    def requeue(self, now: datetime) -> int:
        """Queue a job for each pending delivery that has none.

        A second job of a delivery does nothing: it finds the delivery settled, or another worker's
        lease on it.

        Returns:
            How many jobs were queued.
        """
        span = Span.of(now - LOOKED_BACK, now - LOST_AFTER)
        newest, found = span.newest, 0
        while True:
            entries = cast(
                list[tuple[bytes, Fields]],
                self._client.xrevrange(
                    keyspace.deliveries(), max=newest, min=span.oldest, count=BATCH
                ),
            )
            lost = self._without_a_job(self._pending(fields[b"id"] for _, fields in entries))
            for command in self._jobs.commands(lost, None, now):
                self._client.execute_command(*command)  # type: ignore[no-untyped-call]
            found += len(lost)
            if len(entries) < BATCH:
                return found
            newest = f"({entries[-1][0].decode()}"

    def _pending(self, ids: Iterable[bytes]) -> list[tuple[str, Channel]]:
        names = [each.decode() for each in ids]
        pipe = self._client.pipeline(transaction=False)
        for each in names:
            pipe.hmget(keyspace.delivery(each), "status", "delivery")
        return [
            (each, parsed(Delivery, document).channel)
            for each, (status, document) in zip(names, pipe.execute(), strict=True)
            if document and status == DeliveryStatus.PENDING.value.encode()
        ]

    def _without_a_job(self, pending: list[tuple[str, Channel]]) -> list[tuple[str, Channel]]:
        pipe = self._queue_client.pipeline(transaction=False)
        for delivery_id, _ in pending:
            pipe.exists(Job.key_for(JobWriter.job_of(delivery_id)))
        return [each for each, held in zip(pending, pipe.execute(), strict=True) if not held]
