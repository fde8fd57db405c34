"""Deliveries whose job was lost with the queue: they are queued anew, once, and nothing else is."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from cloud.contract import Channel, Delivery, DeliveryStatus, Event, Label
from cloud.settings import Settings
from cloud.store import Store, keyspace, now
from cloud.store.jobs.lost_jobs import LOST_AFTER
from cloud.worker.maintenance import put_back_lost_jobs
from tests.cloud.builders import accept, subscribe

Make = Callable[..., Event]
LATER = LOST_AFTER + timedelta(minutes=1)


@pytest.fixture
def told(store: Store, make_event: Make) -> list[Delivery]:
    """An alert, a mail and a call of a webhook that wait to be sent."""
    addresses = {
        Channel.TELEGRAM: "42",
        Channel.EMAIL: "guard@example.org",
        Channel.WEBHOOK: "https://hooks.example.org/",
    }
    for channel, address in addresses.items():
        subscribe(store, channel, address)
    accept(store, make_event(Label.WITHOUT_MASK))
    return store.deliveries.page(gate=None, status=None, before=None, limit=9)[0]


def lose_the_queue(store: Store) -> None:
    for key in store.queue_client.scan_iter("rq:*"):
        store.queue_client.delete(key)


def test_a_delivery_that_lost_its_job_gets_another_in_its_queue(
    store: Store, told: list[Delivery]
) -> None:
    lose_the_queue(store)
    assert store.lost_jobs.requeue(now() + LATER) == 3
    named = {each.channel: f"deliver-{each.id}" for each in told}
    assert store.queue.get_job_ids() == [named[Channel.TELEGRAM]]
    assert set(store.slow_queue.get_job_ids()) == {named[Channel.EMAIL], named[Channel.WEBHOOK]}
    assert store.lost_jobs.requeue(now() + LATER) == 0
    assert store.waiting_jobs() == 3


def test_what_has_its_job_is_settled_or_is_young_is_left_alone(
    store: Store, told: list[Delivery]
) -> None:
    assert store.lost_jobs.requeue(now() + LATER) == 0
    lose_the_queue(store)
    assert store.lost_jobs.requeue(now()) == 0
    for each in told:
        store.deliveries.settle(each.id, DeliveryStatus.SENT, now())
    assert store.lost_jobs.requeue(now() + LATER) == 0


def test_pages_of_deliveries_are_all_looked_at(
    store: Store, told: list[Delivery], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cloud.store.jobs.lost_jobs.BATCH", 2)
    lose_the_queue(store)
    assert store.lost_jobs.requeue(now() + LATER) == len(told)


def test_one_worker_of_all_looks_and_says_what_it_put_back(
    store: Store, settings: Settings, told: list[Delivery]
) -> None:
    lose_the_queue(store)
    # As if they had been written a quarter of an hour ago.
    at_ms = int((now() - timedelta(minutes=15)).timestamp() * 1000)
    store.client.delete(keyspace.deliveries())
    for number, each in enumerate(told):
        store.client.xadd(keyspace.deliveries(), {"id": each.id}, id=f"{at_ms}-{number}")
    with capture_logs() as logged:
        for _ in range(2):
            put_back_lost_jobs(store)
    assert [(each["event"], each["deliveries"]) for each in logged] == [("jobs_put_back", 3)]
    assert store.waiting_jobs() == 3
