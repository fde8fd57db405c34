"""The job queue, as the store writes into it: jobs join the MULTI of what they follow from."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import redis
from rq import Callback, Queue, Retry
from rq.job import Job
from rq.serializers import JSONSerializer

QUEUE_NAME = "deliveries"

# Functions are named, not imported: jobs stand above the store.
DELIVER = "cloud.jobs.deliver"
DRAW_QR = "cloud.jobs.draw_qr"
WHEN_FAILED = "cloud.jobs.when_failed"

JOB_TIMEOUT_S = 30
"""Sending one message takes 25 s at worst; a worker that died in it is missed soon after this."""

FAILED_JOB_LIFETIME_S = 30 * 86_400

CRASH_RETRIES = [1, 5, 15, 60, 300]
"""Seconds to wait after each failure that the job did not foresee (Redis lost, worker killed)."""


def job_queue(client: redis.Redis) -> Queue:
    """Return the one queue. Its jobs are JSON: whoever can write to Redis can still not make a
    worker unpickle, and so run, what they like.
    """
    return Queue(QUEUE_NAME, connection=client, serializer=JSONSerializer)


def enqueue(
    queue: Queue, deliveries: Iterable[str], drawn_pass: UUID | None, pipe: Any
) -> list[Job]:
    """Put the jobs of one event into `pipe`: one for each delivery, one for the pass's QR code."""
    calls = [(DELIVER, delivery_id, f"deliver-{delivery_id}") for delivery_id in deliveries]
    if drawn_pass is not None:
        calls.append((DRAW_QR, str(drawn_pass), f"draw-qr-{drawn_pass}"))
    if not calls:
        return []
    return queue.enqueue_many(
        [
            Queue.prepare_data(
                function,
                args=(argument,),
                timeout=JOB_TIMEOUT_S,
                result_ttl=0,
                failure_ttl=FAILED_JOB_LIFETIME_S,
                job_id=job_id,
                description=function,
                retry=Retry(max=len(CRASH_RETRIES), interval=CRASH_RETRIES),
                on_failure=Callback(WHEN_FAILED),
            )
            for function, argument, job_id in calls
        ],
        pipeline=pipe,
    )
