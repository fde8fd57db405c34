"""The job queue, as the store writes into it: jobs join the write of what they follow from."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import orjson
import redis
from rq import Callback, Queue, Retry
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.utils import utcformat, utcparse

from cloud.store import keyspace
from cloud.store.transaction import Batch, Command

QUEUE_NAME = "deliveries"

# Functions are named, not imported: jobs stand above the store.
DELIVER = "cloud.jobs.deliver"
DRAW_QR = "cloud.jobs.draw_qr"
WHEN_FAILED = "cloud.jobs.when_failed"

JOB_TIMEOUT_S = 30
"""Sending one message takes 25 s at worst; a worker that died in it is missed soon after this."""

FAILED_JOB_LIFETIME_S = 86_400
"""What has failed is kept in the delivery; RQ's own note of it is for whoever looks into RQ."""

CRASH_RETRIES = [1, 5, 15, 60, 300]
"""Seconds to wait after each failure that the job did not foresee (Redis lost, worker killed)."""

_OF_ONE_JOB: Final = ("data", "created_at", "enqueued_at")


def job_queue(client: redis.Redis) -> Queue:
    """Return the one queue. Its jobs are JSON: whoever can write to Redis can still not make a
    worker unpickle, and so run, what they like.
    """
    return Queue(QUEUE_NAME, connection=client, serializer=JSONSerializer)


def waited_s(queue: Queue, now: datetime) -> float:
    """Return how long the job at the queue's head has waited, in seconds; 0 with none."""
    head = cast(bytes | None, queue.connection.lindex(queue.key, 0))
    if head is None:
        return 0.0
    since = cast(bytes | None, queue.connection.hget(Job.key_for(head.decode()), "enqueued_at"))
    return max((now - utcparse(since.decode())).total_seconds(), 0.0) if since else 0.0


def prepared(function: str, arguments: Sequence[str], job_id: str) -> dict[str, Any]:
    """Return what RQ's `Queue.prepare_data` needs for a job of ours."""
    return {
        "func": function,
        "args": tuple(arguments),
        "timeout": JOB_TIMEOUT_S,
        "result_ttl": 0,
        "failure_ttl": FAILED_JOB_LIFETIME_S,
        "job_id": job_id,
        "description": function,
        "retry": Retry(max=len(CRASH_RETRIES), interval=CRASH_RETRIES),
        "on_failure": Callback(WHEN_FAILED),
    }


class JobWriter:
    """Writes jobs as RQ's `Queue.enqueue_many` would, as plain commands.

    RQ builds a job object for each job and dumps it field by field, which costs more than all
    else that an event needs. The fields of two jobs of one function differ in the call and in two
    times, so RQ makes one job of each function here, once, and the rest are copies. A test holds
    them against RQ's own.

    With the queue `elsewhere`, on another Redis, they are entries of the outbox.
    """

    def __init__(self, queue: Queue, *, elsewhere: bool = False) -> None:
        self._elsewhere = elsewhere
        self._queue_key: str = queue.key
        self._queues_key: str = queue.redis_queues_keys
        self._forms = {function: _form(queue, function) for function in (DELIVER, DRAW_QR)}

    def commands(
        self, deliveries: Iterable[str], drawn_pass: UUID | None, now: datetime
    ) -> list[Command]:
        """Return the commands that queue one job for each delivery, and one for a QR code."""
        calls = [(DELIVER, delivery_id, f"deliver-{delivery_id}") for delivery_id in deliveries]
        if drawn_pass is not None:
            calls.append((DRAW_QR, str(drawn_pass), f"draw-qr-{drawn_pass}"))
        if not calls:
            return []
        moment = utcformat(now)
        commands: list[Command] = [("SADD", self._queues_key, self._queue_key)]
        for function, argument, job_id in calls:
            call = JSONSerializer.dumps((function, None, (argument,), {}))  # type: ignore[no-untyped-call]
            commands.append(
                (
                    "HSET",
                    Job.key_for(job_id),
                    *("data", call.decode()),
                    *("created_at", moment, "enqueued_at", moment),
                    *self._forms[function],
                )
            )
        commands.append(("RPUSH", self._queue_key, *(job_id for _, _, job_id in calls)))
        if self._elsewhere:
            return [("XADD", keyspace.OUTBOX, "*", "commands", orjson.dumps(commands).decode())]
        return commands

    def write(
        self, batch: Batch, deliveries: Iterable[str], drawn_pass: UUID | None, now: datetime
    ) -> None:
        """Add the commands to a batch."""
        for command in self.commands(deliveries, drawn_pass, now):
            batch.add(*command)


def enqueue(
    queue: Queue, deliveries: Iterable[str], drawn_pass: UUID | None, pipe: Any
) -> list[Job]:
    """Put jobs into `pipe` by RQ's own means: one for each delivery, one for the QR code."""
    calls = [(DELIVER, delivery_id, f"deliver-{delivery_id}") for delivery_id in deliveries]
    if drawn_pass is not None:
        calls.append((DRAW_QR, str(drawn_pass), f"draw-qr-{drawn_pass}"))
    return queue.enqueue_many(
        [
            Queue.prepare_data(**prepared(function, (argument,), job_id))
            for function, argument, job_id in calls
        ],
        pipeline=pipe,
    )


def _form(queue: Queue, function: str) -> tuple[str | int, ...]:
    call = prepared(function, (), "form")
    job = queue.create_job(**call, status=JobStatus.QUEUED)
    fields = {name: value for name, value in job.to_dict().items() if name not in _OF_ONE_JOB}
    flat: list[str | int] = []
    for name, value in fields.items():
        flat += (name, value.value if isinstance(value, JobStatus) else value)
    return tuple(flat)
