"""The jobs that we write are those that RQ would write: an upgrade that changes that fails here."""

from typing import Any
from uuid import uuid4

import pytest
from rq.job import Job, JobStatus
from rq.serializers import JSONSerializer

from cloud.store import DELIVER, DRAW_QR, Store, now
from cloud.store.queue import JobWriter, enqueue
from tests.doubles.redis_server import RedisServer

TIMES = {b"created_at", b"enqueued_at", b"data"}


def kept(server: RedisServer) -> dict[bytes, Any]:
    with server.client() as client:
        jobs = {key: client.hgetall(key) for key in client.keys("rq:job:*")}
        return {
            b"queues": client.smembers("rq:queues"),
            b"queue": client.lrange("rq:queue:deliveries", 0, -1),
            **{
                key: {name: value for name, value in fields.items() if name not in TIMES}
                for key, fields in jobs.items()
            },
        }


def test_a_job_is_written_as_rq_writes_it(store: Store, redis_server: RedisServer) -> None:
    drawn = uuid4()
    with store.client.pipeline() as pipe:
        enqueue(store.queue, ["a", "b"], drawn, pipe)
        pipe.execute()
    by_rq = kept(redis_server)
    with redis_server.client() as client:
        client.flushall()
        for command in JobWriter(store.queue).commands(["a", "b"], drawn, now()):
            client.execute_command(*command)
    assert kept(redis_server) == by_rq
    assert len(by_rq) == 5


@pytest.mark.parametrize(("function", "argument"), [(DELIVER, "a"), (DRAW_QR, None)])
def test_rq_reads_a_job_of_ours(
    store: Store, redis_server: RedisServer, function: str, argument: str | None
) -> None:
    drawn, moment = uuid4(), now()
    with redis_server.client() as client:
        for command in JobWriter(store.queue).commands(["a"], drawn, moment):
            client.execute_command(*command)
    job_id = f"deliver-{argument}" if argument else f"draw-qr-{drawn}"
    job = Job.fetch(job_id, connection=store.client, serializer=JSONSerializer)
    assert (job.func_name, job.args, job.kwargs) == (function, [argument or str(drawn)], {})
    assert job.get_status() is JobStatus.QUEUED
    assert job.enqueued_at is not None
    assert abs((job.enqueued_at.replace(tzinfo=moment.tzinfo) - moment).total_seconds()) < 1
    assert job.retries_left == 5
    assert store.waiting_jobs() == 2
