import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from pydantic import SecretStr
from rq.serializers import JSONSerializer

from cloud import gatekeeping
from cloud.contract import Channel, Event, Gate, Label, Subscriber
from cloud.late_jobs import LateJobs, PromptScheduler
from cloud.settings import Settings
from cloud.store import Store, now
from tests.cloud.conftest import GATE
from tests.doubles.redis_server import RedisServer

Make = Callable[..., Event]
PATIENCE_S = 30.0


def accept(store: Store, event: Event) -> None:
    gatekeeping.accept(
        store, event, gate=GATE, device_id="c", pass_lifetime=timedelta(minutes=5), now=now()
    )


def test_what_a_dead_worker_had_in_hand_goes_before_what_waits(
    store: Store, make_event: Make
) -> None:
    store.gates.subscribe(
        Subscriber(id="a", gate=GATE, channel=Channel.TELEGRAM, address="42", created_at=now())
    )
    for _ in range(3):
        accept(store, make_event(Label.WITHOUT_MASK))
    postponed, broken, fresh = store.queue.jobs
    broken.retries_left = 4
    broken.save()
    for job in (postponed, broken):
        store.queue.remove(job)
        store.queue.schedule_job(job, now())
    scheduler = PromptScheduler(
        [store.queue], connection=store.queue_client, serializer=JSONSerializer
    )
    scheduler.acquire_locks()
    scheduler.enqueue_scheduled_jobs()
    assert store.queue.get_job_ids() == [broken.id, fresh.id, postponed.id]
    assert store.queue.scheduled_job_registry.count == 0


def test_late_jobs_are_looked_for_also_where_the_store_was_away_at_the_start(
    tmp_path: Path, make_event: Make
) -> None:
    server = RedisServer(tmp_path)
    store = Store.open(Settings(redis_url=SecretStr(server.url)))
    late = LateJobs(store)
    late.start()
    time.sleep(1)  # it looks every half second, and finds nobody
    with server:
        store.gates.add(Gate(id=GATE, name="Main", created_at=now()))
        store.gates.subscribe(
            Subscriber(id="a", gate=GATE, channel=Channel.TELEGRAM, address="42", created_at=now())
        )
        accept(store, make_event(Label.WITHOUT_MASK))
        job = store.queue.jobs[0]
        store.queue.remove(job)
        store.queue.schedule_job(job, now())
        deadline = time.monotonic() + PATIENCE_S
        while not store.waiting_jobs():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        late.stop()
    store.close()
