"""The job queue: jobs are queued by the same write as their cause."""

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import UUID

import orjson
import redis
from redis.client import Pipeline
from rq import Callback, Queue, Retry
from rq.executions import ExecutionRegistry
from rq.intermediate_queue import IntermediateQueue
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer
from rq.utils import utcparse

from cloud.contract import Channel
from cloud.notify.channels import CHANNELS, QueueName
from cloud.store import keyspace
from cloud.store.transaction import Batch, Command

# Functions are named, not imported: they are on a layer above the store.
DELIVER = "cloud.jobs.deliver"
DRAW_QR = "cloud.jobs.draw_qr"
SHOW_ACKNOWLEDGEMENT = "cloud.jobs.show_acknowledgement"
WHEN_FAILED = "cloud.jobs.when_failed"

JOB_TIMEOUT_S = 30
"""Sending one message takes 25 s at worst. A dead worker is noticed soon after this."""

FAILED_JOB_LIFETIME_S = 86_400
"""The delivery keeps its failure. RQ's record of the failed job is for a person who inspects RQ."""

CRASH_RETRIES = [1, 5, 15, 60, 300]
"""Seconds to wait after each failure that the job does not handle (Redis lost, worker killed)."""

CLEANING_LOCK_S = 15
"""RQ's lock on cleaning up lasts 15 minutes. Where its holder was killed, or Redis was away when
the lock was to be released, nobody would requeue the jobs of dead workers for that long."""

INTERMEDIATE_TIMEOUT_S = 10
"""A worker that took a job and has not begun it after this time is dead: a living one takes
milliseconds. RQ waits a minute."""

PUT_BACK = """
-- Put a job that a worker took and never began back to the queue's head, unless it has begun.
-- KEYS: jobs on their way, queue, note of when it was seen there, its tries; ARGV: job
redis.call('DEL', KEYS[3])
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
redis.call('DEL', KEYS[4])
redis.call('LPUSH', KEYS[2], ARGV[1])
return 1
"""

_OF_ONE_JOB: Final = ("data", "created_at", "enqueued_at")
_JOB_PREFIX: Final = Job.key_for("")


class RequeuingIntermediateQueue(IntermediateQueue):
    """RQ's intermediate queue: jobs that a worker has taken and not begun yet.

    A job that stays there is put back as it was. RQ would count it as failed, but it was not tried.
    """

    def set_first_seen(self, job_id: str) -> bool:
        """Note when a job was first seen here; return False if that was noted before."""
        key = self.get_first_seen_key(job_id)
        return bool(self.connection.set(key, time.time(), nx=True, ex=10 * INTERMEDIATE_TIMEOUT_S))

    def should_be_cleaned_up(self, job_id: str) -> bool:
        """Return whether a job has been here so long that its worker must be dead."""
        seen = self.get_first_seen(job_id)
        return seen is not None and time.time() - seen.timestamp() > INTERMEDIATE_TIMEOUT_S

    def cleanup(self, worker: object, queue: Queue) -> None:  # noqa: ARG002 (RQ's signature)
        """Put the jobs of dead workers back."""
        for job_id in self.get_job_ids():
            if job_id in queue.started_job_registry or self.set_first_seen(job_id):
                continue
            if self.should_be_cleaned_up(job_id):
                tries = ExecutionRegistry(job_id, self.connection).key
                keys = [self.key, self.queue_key, self.get_first_seen_key(job_id), tries]
                self.connection.eval(PUT_BACK, len(keys), *keys, job_id)


class TransactionalJob(Job):
    """A job whose retry is scheduled by one transaction.

    RQ writes the status before that transaction. Where a worker dies in between, RQ finds the new
    status without the rest, takes the job for finished, and drops it.
    """

    def set_status(self, status: JobStatus, pipeline: Pipeline | None = None) -> None:
        """Set the status; the transaction that RQ makes in the end writes it."""
        if pipeline is None:
            self._status = status
        else:
            super().set_status(status, pipeline)


class JobQueue(Queue):
    """RQ's queue, which takes up the jobs of dead workers within seconds."""

    job_class = TransactionalJob

    @property
    def intermediate_queue(self) -> RequeuingIntermediateQueue:
        """The jobs that a worker has taken and not begun yet."""
        return RequeuingIntermediateQueue(self.key, connection=self.connection)

    def acquire_maintenance_lock(self) -> bool:
        """Return whether this worker is the one to clean up now."""
        key = self.registry_cleaning_key
        return bool(self.connection.set(key, 1, nx=True, ex=CLEANING_LOCK_S))


def job_queue(client: redis.Redis, name: QueueName = QueueName.MAIN) -> JobQueue:
    """Return a queue.

    Its jobs are JSON, not pickles: otherwise anybody who can write to Redis could make a worker run
    any code.

    Args:
        client: the connection to the queue's Redis.
        name: of the queue.

    Returns:
        The queue.
    """
    return JobQueue(name.value, connection=client, serializer=JSONSerializer)


def waited_s(queue: Queue, now: datetime) -> float:
    """Return how long the job at the queue's head has waited, in seconds; 0 with none."""
    head = cast(bytes | None, queue.connection.lindex(queue.key, 0))
    if head is None:
        return 0.0
    since = cast(bytes | None, queue.connection.hget(Job.key_for(head.decode()), "enqueued_at"))
    return max((now - utcparse(since.decode())).total_seconds(), 0.0) if since else 0.0


def prepared(function: str, arguments: Sequence[str], job_id: str) -> dict[str, Any]:
    """Return the arguments of RQ's `Queue.prepare_data` for a job of ours."""
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
    """Writes jobs as plain commands, the same that RQ's `Queue.enqueue_many` sends.

    RQ builds an object for each job and writes it field by field, which costs more than the rest of
    an event. The jobs of one function differ only in the call and in two times. So RQ makes one job
    of each function at start, and the others are copies of its fields. A test compares them with
    RQ's own.

    Where the queues are `elsewhere`, on another Redis, the commands go into the outbox.
    """

    def __init__(self, queue: Queue, slow_queue: Queue, *, elsewhere: bool = False) -> None:
        self._elsewhere = elsewhere
        queues = {QueueName.MAIN: queue, QueueName.SLOW: slow_queue}
        self._queue_keys: dict[QueueName, str] = {name: each.key for name, each in queues.items()}
        self._queues_key: str = queue.redis_queues_keys
        self._templates = {
            (function, name): _template(each, function)
            for name, each in queues.items()
            for function in (DELIVER, DRAW_QR, SHOW_ACKNOWLEDGEMENT)
        }

    @staticmethod
    def job_of(delivery_id: str) -> str:
        """Return the id of the job that sends a delivery."""
        return f"deliver-{delivery_id}"

    def commands(
        self,
        deliveries: Iterable[tuple[str, Channel]],
        drawn_pass: UUID | str | None,
        now: datetime,
    ) -> list[Command]:
        """Return the commands that queue one job for each delivery, and one for a QR code."""
        calls = [
            (DELIVER, delivery_id, self.job_of(delivery_id), CHANNELS[channel].queue)
            for delivery_id, channel in deliveries
        ]
        if drawn_pass is not None:
            calls.append((DRAW_QR, str(drawn_pass), f"draw-qr-{drawn_pass}", QueueName.MAIN))
        return self._commands(calls, now)

    def acknowledgement(self, event_id: UUID, now: datetime) -> list[Command]:
        """Return the commands that queue the job that edits an event's alerts."""
        job_id = f"show-acknowledgement-{event_id}"
        return self._commands([(SHOW_ACKNOWLEDGEMENT, str(event_id), job_id, QueueName.MAIN)], now)

    def _commands(
        self, calls: Sequence[tuple[str, str, str, QueueName]], now: datetime
    ) -> list[Command]:
        """Return the commands for calls: (function, argument, id of the job, its queue)."""
        if not calls:
            return []
        # As rq.utils.utcformat writes it.
        moment = f"{now.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
        commands: list[Command] = []
        for function, argument, job_id, name in calls:
            call = orjson.dumps((function, None, (argument,), {})).decode()
            times = ("created_at", moment, "enqueued_at", moment)
            template = self._templates[function, name]
            commands.append(("HSET", f"{_JOB_PREFIX}{job_id}", "data", call, *times, *template))
        for name, queue_key in self._queue_keys.items():
            ids = [job_id for *_, job_id, queue in calls if queue is name]
            if ids:
                commands.append(("SADD", self._queues_key, queue_key))
                commands.append(("RPUSH", queue_key, *ids))
        if self._elsewhere:
            return [("XADD", keyspace.OUTBOX, "*", "commands", orjson.dumps(commands).decode())]
        return commands

    def write(
        self,
        batch: Batch,
        deliveries: Iterable[tuple[str, Channel]],
        drawn_pass: UUID | str | None,
        now: datetime,
    ) -> None:
        """Add the commands to a batch."""
        for command in self.commands(deliveries, drawn_pass, now):
            batch.add(*command)


def enqueue(
    queue: Queue, deliveries: Iterable[str], drawn_pass: UUID | None, pipe: Any
) -> list[Job]:
    """Put jobs into `pipe` with RQ itself: one for each delivery, one for the QR code."""
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


def _template(queue: Queue, function: str) -> tuple[str, ...]:
    call = prepared(function, (), "template")
    job = queue.create_job(**call, status=JobStatus.QUEUED)
    # RQ reads a missing field like an empty one.
    fields = {
        name: value
        for name, value in job.to_dict().items()
        if name not in _OF_ONE_JOB and value != ""
    }
    flat: list[str] = []
    for name, value in fields.items():
        flat += (name, value.value if isinstance(value, JobStatus) else str(value))
    return tuple(flat)
