import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from rq.exceptions import AbandonedJobError
from rq.scheduler import RQScheduler

from cloud import gatekeeping, jobs
from cloud.contract import Channel, Event, Gate, Label, Subscriber
from cloud.late_jobs import LATE_LOCK_S, LateJobs, PromptScheduler
from cloud.settings import Settings
from cloud.store import Store, now
from tests.cloud.conftest import GATE
from tests.doubles.redis_server import RedisServer

Make = Callable[..., Event]
PATIENCE_S = 60.0


def accept(store: Store, event: Event) -> None:
    gatekeeping.accept(
        store, event, gate=GATE, device_id="c", pass_lifetime=timedelta(minutes=5), now=now()
    )


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_what_a_dead_worker_had_in_hand_goes_before_what_waits(
    store: Store, make_event: Make
) -> None:
    store.gates.subscribe(
        Subscriber(id="a", gate=GATE, channel=Channel.TELEGRAM, address="42", created_at=now())
    )
    for _ in range(3):
        accept(store, make_event(Label.WITHOUT_MASK))
    postponed, broken, fresh = store.queue.jobs
    jobs.when_failed(broken, None, AbandonedJobError)
    for job in (postponed, broken):
        store.queue.remove(job)
        store.queue.schedule_job(job, now())
    PromptScheduler([store.queue], store.queue_client).turn()
    assert store.queue.get_job_ids() == [broken.id, fresh.id, postponed.id]
    assert store.queue.scheduled_job_registry.count == 0


def test_the_lock_on_late_jobs_outlives_its_holder_by_seconds_only(store: Store) -> None:
    first, second = (PromptScheduler([store.queue], store.queue_client) for _ in range(2))
    first.turn()
    assert first.acquired_locks == {store.queue.name}
    lifetime = store.client.ttl(RQScheduler.get_locking_key(store.queue.name))
    assert isinstance(lifetime, int)
    assert 0 < lifetime <= LATE_LOCK_S
    second.turn()
    assert second.acquired_locks == set()
    first.stop()  # type: ignore[no-untyped-call]
    second.turn()
    assert second.acquired_locks == {store.queue.name}


def test_late_jobs_are_looked_for_also_where_the_store_was_away_at_the_start(
    tmp_path: Path, make_event: Make, caplog: pytest.LogCaptureFixture
) -> None:
    server = RedisServer(tmp_path)
    store = Store.open(Settings(redis_url=SecretStr(server.url)))
    late = LateJobs(store)
    late.start()
    wait_until(lambda: "store_away" in caplog.text)
    with server:
        store.gates.add(Gate(id=GATE, name="Main", created_at=now()))
        store.gates.subscribe(
            Subscriber(id="a", gate=GATE, channel=Channel.TELEGRAM, address="42", created_at=now())
        )
        accept(store, make_event(Label.WITHOUT_MASK))
        job = store.queue.jobs[0]
        store.queue.remove(job)
        store.queue.schedule_job(job, now())
        wait_until(lambda: store.waiting_jobs() == 1)
        late.stop()
    store.close()
