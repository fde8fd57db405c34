"""The job queue, as the store writes into it: jobs join the write of what they follow from."""

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
from cloud.store import keyspace
from cloud.store.transaction import Batch, Command

QUEUE_NAME = "deliveries"
SLOW_QUEUE_NAME = "letters"
"""The queue of mail and webhooks, which go to servers of other people. A server that hangs holds a
job for 15 s, so those jobs have a queue of their own and delay no pass. The name in Redis is that
of the first release."""

SLOW_CHANNELS: Final = frozenset({Channel.EMAIL, Channel.WEBHOOK})

# Functions are named, not imported: jobs stand above the store.
DELIVER = "cloud.jobs.deliver"
DRAW_QR = "cloud.jobs.draw_qr"
SHOW_ACKNOWLEDGEMENT = "cloud.jobs.show_acknowledgement"
WHEN_FAILED = "cloud.jobs.when_failed"

JOB_TIMEOUT_S = 30
"""Sending one message takes 25 s at worst; a worker that died in it is missed soon after this."""

FAILED_JOB_LIFETIME_S = 86_400
"""What has failed is kept in the delivery; RQ's own note of it is for whoever looks into RQ."""

CRASH_RETRIES = [1, 5, 15, 60, 300]
"""Seconds to wait after each failure that the job did not foresee (Redis lost, worker killed)."""

CLEANING_LOCK_S = 15
"""RQ's own lock on cleaning up is for 15 minutes. Where its holder was killed, or Redis was away
when it was to be given back, nobody would take up what dead workers left behind."""

INTERMEDIATE_TIMEOUT_S = 10
"""A worker that took a job from the queue and has not begun it so long after is dead: this takes
it milliseconds. RQ gives it a minute."""

PUT_BACK = """
-- Put a job that a worker took and never began back to the queue's head, unless it was begun now.
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
    """Jobs that a worker has taken from the queue, and not begun yet.

    One that stays there is put back as it was: it was not tried, so it has not failed either.
    """

    def set_first_seen(self, job_id: str) -> bool:
        """Note that a job is here; return False where that was noted before."""
        key = self.get_first_seen_key(job_id)
        return bool(self.connection.set(key, time.time(), nx=True, ex=10 * INTERMEDIATE_TIMEOUT_S))

    def should_be_cleaned_up(self, job_id: str) -> bool:
        """Return whether a job has been here for so long that who took it is dead."""
        seen = self.get_first_seen(job_id)
        return seen is not None and time.time() - seen.timestamp() > INTERMEDIATE_TIMEOUT_S

    def cleanup(self, worker: object, queue: Queue) -> None:  # noqa: ARG002 (RQ's signature)
        """Put back what dead workers took."""
        for job_id in self.get_job_ids():
            if job_id in queue.started_job_registry or self.set_first_seen(job_id):
                continue
            if self.should_be_cleaned_up(job_id):
                tries = ExecutionRegistry(job_id, self.connection).key
                keys = [self.key, self.queue_key, self.get_first_seen_key(job_id), tries]
                self.connection.eval(PUT_BACK, len(keys), *keys, job_id)


class TransactionalJob(Job):
    """A job that is put off by one transaction, where RQ writes its status beside it first.

    With that status and without the rest, RQ takes what a dead worker left behind for settled, and
    drops it.
    """

    def set_status(self, status: JobStatus, pipeline: Pipeline | None = None) -> None:
        """Set the status, which a transaction writes; RQ puts each into one in the end."""
        if pipeline is None:
            self._status = status
        else:
            super().set_status(status, pipeline)


class JobQueue(Queue):
    """RQ's queue, of which nothing is left lying for longer than some seconds."""

    job_class = TransactionalJob

    @property
    def intermediate_queue(self) -> RequeuingIntermediateQueue:
        """Jobs that are on their way to a worker."""
        return RequeuingIntermediateQueue(self.key, connection=self.connection)

    def acquire_maintenance_lock(self) -> bool:
        """Return whether this worker is the one to clean up now."""
        key = self.registry_cleaning_key
        return bool(self.connection.set(key, 1, nx=True, ex=CLEANING_LOCK_S))


def job_queue(client: redis.Redis, name: str = QUEUE_NAME) -> JobQueue:
    """Return a queue. Its jobs are JSON: whoever can write to Redis can still not make a worker
    unpickle, and so run, what they like.
    """
    return JobQueue(name, connection=client, serializer=JSONSerializer)


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

    With the queues `elsewhere`, on another Redis, they are entries of the outbox.
    """

    def __init__(self, queue: Queue, slow_queue: Queue, *, elsewhere: bool = False) -> None:
        self._elsewhere = elsewhere
        self._queue_keys: dict[bool, str] = {False: queue.key, True: slow_queue.key}
        self._queues_key: str = queue.redis_queues_keys
        self._forms = {
            (function, is_slow): _form(to, function)
            for is_slow, to in ((False, queue), (True, slow_queue))
            for function in (DELIVER, DRAW_QR, SHOW_ACKNOWLEDGEMENT)
        }

    @staticmethod
    def job_of(delivery_id: str) -> str:
        """Return the name of the job that sends a delivery."""
        return f"deliver-{delivery_id}"

    def commands(
        self,
        deliveries: Iterable[tuple[str, Channel]],
        drawn_pass: UUID | str | None,
        now: datetime,
    ) -> list[Command]:
        """Return the commands that queue one job for each delivery, and one for a QR code."""
        calls = [
            (DELIVER, delivery_id, self.job_of(delivery_id), channel in SLOW_CHANNELS)
            for delivery_id, channel in deliveries
        ]
        if drawn_pass is not None:
            calls.append((DRAW_QR, str(drawn_pass), f"draw-qr-{drawn_pass}", False))
        return self._commands(calls, now)

    def acknowledgement(self, event_id: UUID, now: datetime) -> list[Command]:
        """Return the commands that queue the job that edits an event's alerts."""
        call = (SHOW_ACKNOWLEDGEMENT, str(event_id), f"show-acknowledgement-{event_id}", False)
        return self._commands([call], now)

    def _commands(
        self, calls: Sequence[tuple[str, str, str, bool]], now: datetime
    ) -> list[Command]:
        """Return the commands for calls: (function, argument, id of the job, to the slow queue)."""
        if not calls:
            return []
        # As rq.utils.utcformat writes it.
        moment = f"{now.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
        commands: list[Command] = []
        for function, argument, job_id, is_slow in calls:
            call = orjson.dumps((function, None, (argument,), {})).decode()
            times = ("created_at", moment, "enqueued_at", moment)
            form = self._forms[function, is_slow]
            commands.append(("HSET", f"{_JOB_PREFIX}{job_id}", "data", call, *times, *form))
        for is_slow, queue_key in self._queue_keys.items():
            ids = [job_id for *_, job_id, slow in calls if slow is is_slow]
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


def _form(queue: Queue, function: str) -> tuple[str, ...]:
    call = prepared(function, (), "form")
    job = queue.create_job(**call, status=JobStatus.QUEUED)
    # RQ reads a field that is missing as it reads an empty one.
    fields = {
        name: value
        for name, value in job.to_dict().items()
        if name not in _OF_ONE_JOB and value != ""
    }
    flat: list[str] = []
    for name, value in fields.items():
        flat += (name, value.value if isinstance(value, JobStatus) else str(value))
    return tuple(flat)
