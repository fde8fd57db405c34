"""Data and queue on two servers: no job is lost or queued twice, whatever dies in between."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from cloud.contract import DeliveryStatus, Event
from cloud.errors import StoreUnavailable
from cloud.settings import Settings
from cloud.store import Store, keyspace, now
from cloud.store.jobs.outbox import Outbox
from cloud.store.jobs.queue import waited_s
from cloud.worker import relay
from tests.cloud.builders import accept, subscribe
from tests.cloud.conftest import GATE
from tests.cloud.processes import environment, process
from tests.doubles.redis_server import RedisServer

Make = Callable[..., Event]


@pytest.fixture
def queue_server(tmp_path: Path) -> Iterator[RedisServer]:
    with RedisServer(tmp_path) as server:
        yield server


@pytest.fixture
def apart(store: Store, settings: Settings, queue_server: RedisServer) -> Iterator[Store]:
    """A store whose queue is on a server of its own."""
    opened = Store.open(settings.model_copy(update={"queue_url": SecretStr(queue_server.url)}))
    subscribe(opened)
    yield opened
    opened.close()


def outbox_of(store: Store) -> Outbox:
    assert store.outbox is not None
    return store.outbox


def test_jobs_reach_the_other_server_once(apart: Store, make_event: Make) -> None:
    event = make_event()
    for _ in range(2):
        accept(apart, event)
    assert (len(outbox_of(apart)), apart.queue.count, apart.waiting_jobs()) == (1, 0, 1)
    assert outbox_of(apart).relay() == 1
    assert outbox_of(apart).relay() == 0
    (delivery,) = apart.deliveries.page(gate=GATE, status=None, before=None, limit=9)[0]
    assert apart.queue.job_ids[0] == f"deliver-{delivery.id}"
    assert apart.queue.count == 2
    assert {job.func_name for job in apart.queue.jobs} == {
        "cloud.jobs.deliver",
        "cloud.jobs.draw_qr",
    }


def test_what_is_on_its_way_to_the_other_server_waits_too(apart: Store, make_event: Make) -> None:
    assert apart.oldest_wait_s() == 0
    accept(apart, make_event())
    at = now()
    assert 0 <= outbox_of(apart).waited_s(at) < 10
    assert outbox_of(apart).waited_s(at + timedelta(seconds=90)) > 89
    outbox_of(apart).relay()
    assert outbox_of(apart).waited_s(at) == 0
    assert waited_s(apart.queue, at + timedelta(seconds=90)) > 89


def test_a_relay_that_dies_before_it_forgets_queues_nothing_twice(
    apart: Store, make_event: Make, redis_server: RedisServer
) -> None:
    accept(apart, make_event())
    with redis_server.client() as client:
        kept = client.dump(keyspace.OUTBOX)
        assert outbox_of(apart).relay() == 1
        # As if it had died between the push and the forgetting.
        client.restore(keyspace.OUTBOX, 0, kept, replace=True)
    assert outbox_of(apart).relay() == 1
    assert (len(outbox_of(apart)), apart.queue.count) == (0, 2)


def test_with_the_queue_away_events_are_accepted_and_follow_when_it_is_back(
    apart: Store, make_event: Make, queue_server: RedisServer
) -> None:
    queue_server.stop()
    accept(apart, make_event())
    with pytest.raises(StoreUnavailable):
        outbox_of(apart).relay()
    assert len(outbox_of(apart)) == 1
    queue_server.start()
    assert outbox_of(apart).relay() == 1
    assert apart.queue.count == 2


def test_a_delivery_is_sent_again_through_the_outbox(apart: Store, make_event: Make) -> None:
    accept(apart, make_event())
    (delivery,) = apart.deliveries.page(gate=GATE, status=None, before=None, limit=9)[0]
    apart.deliveries.settle(delivery.id, DeliveryStatus.FAILED, now(), "gone", "")
    outbox_of(apart).relay()
    apart.queue_client.flushall()
    apart.deliveries.resend(delivery.id)
    outbox_of(apart).relay()
    assert apart.queue.job_ids == [f"deliver-{delivery.id}"]


def test_workers_relay_by_themselves(apart: Store, make_event: Make) -> None:
    tasks = [*relay.tasks(apart), *relay.tasks(apart)]
    for task in tasks:
        task.start()
    for _ in range(5):
        accept(apart, make_event())
    deadline = time.monotonic() + 60
    while apart.waiting_jobs() != 10 or len(outbox_of(apart)) > 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for task in tasks:
        task.stop()
    assert apart.queue.count == 10


def test_a_worker_does_jobs_of_another_server(
    apart: Store,
    make_event: Make,
    redis_server: RedisServer,
    queue_server: RedisServer,
    tmp_path: Path,
) -> None:
    accept(apart, make_event())
    env = environment(redis_server.url, CLOUD_QUEUE_URL=queue_server.url)
    with process("worker", env=env, log=tmp_path / "worker.log"):
        deadline = time.monotonic() + 60
        while True:
            (delivery,) = apart.deliveries.page(gate=GATE, status=None, before=None, limit=9)[0]
            if delivery.status is not DeliveryStatus.PENDING and apart.waiting_jobs() == 0:
                break
            assert time.monotonic() < deadline, (tmp_path / "worker.log").read_text()
            time.sleep(0.1)
    assert delivery.status is DeliveryStatus.UNDELIVERED_BY_CHOICE
    assert "Traceback" not in (tmp_path / "worker.log").read_text()


def test_one_server_needs_no_outbox(store: Store) -> None:
    assert store.outbox is None
    assert relay.tasks(store) == []
    assert store.queue_client is store.client
