"""Jobs that wait for another try go back into their queues, by one scheduler of all."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr
from rq.exceptions import AbandonedJobError
from rq.scheduler import RQScheduler

from cloud.contract import Event, Gate, Label
from cloud.settings import Settings
from cloud.store import Store, now
from cloud.worker import jobs, scheduler
from cloud.worker.scheduler import LOCK_LIFETIME_S, JobScheduler
from tests.cloud.builders import accept, subscribe
from tests.cloud.conftest import GATE
from tests.cloud.processes import wait_until
from tests.doubles.redis_server import RedisServer

Make = Callable[..., Event]


def test_the_job_of_a_dead_worker_goes_before_jobs_that_wait(
    store: Store, make_event: Make
) -> None:
    subscribe(store)
    for _ in range(3):
        accept(store, make_event(Label.WITHOUT_MASK))
    postponed, broken, fresh = store.queue.jobs
    jobs.when_failed(broken, None, AbandonedJobError)
    for job in (postponed, broken):
        store.queue.remove(job)
        store.queue.schedule_job(job, now())
    JobScheduler([store.queue], store.queue_client).enqueue_due()
    assert store.queue.get_job_ids() == [broken.id, fresh.id, postponed.id]
    assert store.queue.scheduled_job_registry.count == 0


def test_the_schedulers_lock_outlives_its_holder_by_seconds_only(store: Store) -> None:
    first, second = (JobScheduler([store.queue], store.queue_client) for _ in range(2))
    first.enqueue_due()
    assert first.acquired_locks == {store.queue.name}
    lifetime = store.client.ttl(RQScheduler.get_locking_key(store.queue.name))
    assert isinstance(lifetime, int)
    assert 0 < lifetime <= LOCK_LIFETIME_S
    second.enqueue_due()
    assert second.acquired_locks == set()
    first.release()
    second.enqueue_due()
    assert second.acquired_locks == {store.queue.name}


def test_scheduled_jobs_are_enqueued_also_where_the_store_was_away_at_the_start(
    tmp_path: Path, make_event: Make, caplog: pytest.LogCaptureFixture
) -> None:
    server = RedisServer(tmp_path)
    store = Store.open(Settings(redis_url=SecretStr(server.url)))
    task = scheduler.task(store)
    task.start()
    wait_until(lambda: "store_away" in caplog.text)
    with server:
        store.gates.add(Gate(id=GATE, name="Main", created_at=now()))
        subscribe(store)
        accept(store, make_event(Label.WITHOUT_MASK))
        job = store.queue.jobs[0]
        store.queue.remove(job)
        store.queue.schedule_job(job, now())
        wait_until(lambda: store.waiting_jobs() == 1)
        task.stop()
    store.close()
