"""The jobs that we write are those that RQ would write: an upgrade that changes that fails here."""

from typing import Any
from uuid import uuid4

import pytest
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.registry import clean_registries
from rq.serializers import JSONSerializer

from cloud.contract import Channel
from cloud.store import DELIVER, DRAW_QR, Store, now
from cloud.store.jobs.queue import CLEANING_LOCK_S, INTERMEDIATE_TIMEOUT_S, JobWriter, enqueue
from tests.doubles.redis_server import RedisServer

CALLS = [("a", Channel.TELEGRAM), ("b", Channel.TELEGRAM)]


def writer(store: Store) -> JobWriter:
    return JobWriter(store.queue, store.slow_queue)


TIMES = {b"created_at", b"enqueued_at", b"data"}


def kept(server: RedisServer) -> dict[bytes, Any]:
    with server.client() as client:
        jobs = {key: client.hgetall(key) for key in client.keys("rq:job:*")}
        return {
            b"queues": client.smembers("rq:queues"),
            b"queue": client.lrange("rq:queue:deliveries", 0, -1),
            **{
                key: {
                    name: value
                    for name, value in fields.items()
                    if name not in TIMES and value != b""
                }
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
        for command in writer(store).commands(CALLS, drawn, now()):
            client.execute_command(*command)
    assert kept(redis_server) == by_rq
    assert len(by_rq) == 5


@pytest.mark.parametrize("channel", list(Channel))
def test_mail_and_webhooks_keep_no_pass_waiting(store: Store, channel: Channel) -> None:
    for command in writer(store).commands([("a", channel)], uuid4(), now()):
        store.client.execute_command(*command)  # type: ignore[no-untyped-call]
    chosen = store.queue if channel is Channel.TELEGRAM else store.slow_queue
    assert "deliver-a" in chosen.get_job_ids()
    assert (store.queue.count, store.slow_queue.count) == (
        (2, 0) if chosen is store.queue else (1, 1)
    )
    assert Job.fetch("deliver-a", store.client, JSONSerializer).origin == chosen.name
    assert store.waiting_jobs() == 2
    assert store.client.smembers("rq:queues") >= {chosen.key.encode()}


@pytest.mark.parametrize(("function", "argument"), [(DELIVER, "a"), (DRAW_QR, None)])
def test_rq_reads_a_job_of_ours(
    store: Store, redis_server: RedisServer, function: str, argument: str | None
) -> None:
    drawn, moment = uuid4(), now()
    with redis_server.client() as client:
        for command in writer(store).commands(CALLS[:1], drawn, moment):
            client.execute_command(*command)
        with store.client.pipeline() as pipe:
            enqueue(store.queue, [], by_rq := uuid4(), pipe)
            pipe.execute()
    job_id = f"deliver-{argument}" if argument else f"draw-qr-{drawn}"
    job = Job.fetch(job_id, connection=store.client, serializer=JSONSerializer)
    assert (job.func_name, job.args, job.kwargs) == (function, [argument or str(drawn)], {})
    assert job.get_status() is JobStatus.QUEUED
    assert job.enqueued_at is not None
    assert abs((job.enqueued_at.replace(tzinfo=moment.tzinfo) - moment).total_seconds()) < 1
    assert job.retries_left == 5
    assert store.waiting_jobs() == 3
    # What RQ leaves empty, and we leave out, it reads as the same.
    theirs = Job.fetch(f"draw-qr-{by_rq}", store.client, JSONSerializer).to_dict()
    of_one = {"data", "created_at", "enqueued_at", "description"}
    ours = job.to_dict()
    assert {k: v for k, v in ours.items() if k not in of_one} == {
        k: v for k, v in theirs.items() if k not in of_one
    }


def _taken(store: Store) -> bytes:
    """Take a job from the queue as a worker does that is killed before it begins it."""
    for command in writer(store).commands(CALLS, None, now()):
        store.client.execute_command(*command)  # type: ignore[no-untyped-call]
    taken = store.client.lmove(store.queue.key, store.queue.intermediate_queue.key)
    assert isinstance(taken, bytes)
    return taken


def _seen_long_ago(store: Store, job_id: bytes) -> None:
    key = store.queue.intermediate_queue.get_first_seen_key(job_id.decode())
    seen = store.client.get(key)
    assert isinstance(seen, bytes)
    store.client.set(key, float(seen) - INTERMEDIATE_TIMEOUT_S - 1)


def test_a_job_that_was_taken_and_never_begun_is_put_back_untried(store: Store) -> None:
    taken = _taken(store)
    on_the_way = store.queue.intermediate_queue
    on_the_way.cleanup(None, store.queue)
    on_the_way.cleanup(None, store.queue)
    assert on_the_way.get_job_ids() == [taken.decode()]
    _seen_long_ago(store, taken)
    on_the_way.cleanup(None, store.queue)
    assert on_the_way.get_job_ids() == []
    assert store.queue.get_job_ids() == ["deliver-a", "deliver-b"]
    assert Job.fetch(taken.decode(), store.client, JSONSerializer).retries_left == 5
    assert not store.client.keys(f"{on_the_way.key}:*")


def test_a_job_that_was_begun_meanwhile_is_not_queued_again(store: Store) -> None:
    taken = _taken(store)
    on_the_way = store.queue.intermediate_queue
    on_the_way.cleanup(None, store.queue)
    _seen_long_ago(store, taken)

    class Begun(type(on_the_way)):  # type: ignore[misc]
        def should_be_cleaned_up(self, job_id: str) -> bool:
            stuck = super().should_be_cleaned_up(job_id)
            self.remove(job_id)
            return bool(stuck)

    Begun(store.queue.key, store.client).cleanup(None, store.queue)
    assert store.queue.get_job_ids() == ["deliver-b"]


def _begun(store: Store, job_id: str) -> Job:
    """Begin a job as a worker does that has given no sign of life for too long."""
    job = store.queue.fetch_job(job_id)
    assert job is not None
    with store.client.pipeline() as pipe:
        Execution.create(job, ttl=0, pipeline=pipe, worker_name="dead")
        job.prepare_for_execution("dead", pipe)
        pipe.execute()
    return job


def test_a_job_is_not_lost_with_a_worker_that_died_while_it_put_it_off(store: Store) -> None:
    taken = _taken(store).decode()
    job = _begun(store, taken)
    store.queue.intermediate_queue.remove(taken)
    with store.client.pipeline() as pipe:
        job.retry(store.queue, pipe)  # and no word of it reaches Redis
    assert store.queue.scheduled_job_registry.get_job_ids() == []
    clean_registries(store.queue)
    assert store.queue.started_job_registry.get_job_ids() == []
    assert store.queue.scheduled_job_registry.get_job_ids() == [taken]


def test_a_job_that_is_put_back_has_no_tries(store: Store) -> None:
    taken = _taken(store)
    job = store.queue.fetch_job(taken.decode())
    assert job is not None
    with store.client.pipeline() as pipe:
        # A worker that died between RQ's note of the try and the start of the job.
        Execution.create(job, ttl=0, pipeline=pipe, worker_name="dead")
        pipe.execute()
    clean_registries(store.queue)
    on_the_way = store.queue.intermediate_queue
    on_the_way.cleanup(None, store.queue)
    _seen_long_ago(store, taken)
    on_the_way.cleanup(None, store.queue)
    assert store.queue.get_job_ids() == ["deliver-a", "deliver-b"]
    assert job.execution_registry.get_execution_ids() == []
    with store.client.pipeline() as pipe:
        job.delete(pipeline=pipe)  # as at the end of a job that is done
        pipe.execute()


def test_the_lock_on_cleaning_up_outlives_its_holder_by_seconds_only(store: Store) -> None:
    assert store.queue.acquire_maintenance_lock()
    assert not store.queue.acquire_maintenance_lock()
    lifetime = store.client.ttl(store.queue.registry_cleaning_key)
    assert isinstance(lifetime, int)
    assert 0 < lifetime <= CLEANING_LOCK_S
