"""The jobs that a worker does, each as often as RQ may run it."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import cv2
import numpy as np
import pytest
import zxingcpp
from pydantic import SecretStr
from rq import Retry
from rq.executions import Execution
from rq.job import Job
from rq.registry import clean_registries
from rq.timeouts import JobTimeoutException

from cloud.contract import (
    Channel,
    Decision,
    DeliveryStatus,
    Event,
    Gate,
    Label,
)
from cloud.errors import DeliveryImpossible, DeliveryPostponed
from cloud.notify.base import Message
from cloud.settings import Settings
from cloud.store import DELIVER, Store, now
from cloud.worker import jobs
from cloud.worker.context import JobContext
from tests.cloud.builders import Clock, Recorder, accept, only, subscribe
from tests.cloud.conftest import GATE
from tests.doubles.redis_server import RedisServer

Make = Callable[..., Event]

pytestmark = pytest.mark.usefixtures("telegram")


def pass_id(decision: Decision) -> UUID:
    assert decision.issued_pass is not None
    return decision.issued_pass.id


def test_a_pass_is_sent_once_with_its_code(
    store: Store, telegram: Recorder, make_event: Make
) -> None:
    subscribe(store)
    decision = accept(store, make_event())
    for _ in range(3):
        assert jobs.deliver(only(store).id) is None
    (message,) = telegram.sent
    assert message.qr_png is not None
    picture = cv2.imdecode(np.frombuffer(message.qr_png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    assert decision.issued_pass is not None
    (code,) = zxingcpp.read_barcodes(picture)
    assert code.text == decision.issued_pass.token
    assert decision.issued_pass.token not in message.text
    delivery = only(store)
    assert delivery.status is DeliveryStatus.SENT
    assert delivery.settled_at is not None


class Outlived:
    """A notifier that takes the store away while it sends, and gives it back a moment later."""

    def __init__(self, server: RedisServer) -> None:
        self.sent: list[Message] = []
        self._server = server

    def send(self, message: Message) -> str:
        self.sent.append(message)
        self._server.stop()
        threading.Timer(1.0, self._server.start).start()
        return "7"

    def close(self) -> None: ...


def test_a_sent_message_is_recorded_once_the_store_is_back(
    tmp_path: Path, make_event: Make
) -> None:
    with RedisServer(tmp_path) as server:
        store = Store.open(Settings(redis_url=SecretStr(server.url)))
        store.gates.add(Gate(id=GATE, name="Main", created_at=now()))
        subscribe(store)
        notifier = Outlived(server)
        jobs.set_context(JobContext(store, {Channel.TELEGRAM: notifier}, None))
        accept(store, make_event(Label.WITHOUT_MASK))
        assert jobs.deliver(only(store).id) is None
        assert only(store).status is DeliveryStatus.SENT
        assert jobs.deliver(only(store).id) is None
        assert len(notifier.sent) == 1
        store.close()


def test_the_code_is_drawn_once_and_its_time_noted(store: Store, make_event: Make) -> None:
    decision = accept(store, make_event())
    jobs.draw_qr(str(pass_id(decision)))
    first = store.passes.get(pass_id(decision))
    jobs.draw_qr(str(pass_id(decision)))
    assert first is not None
    assert first.qr_ready_at is not None
    assert first.qr_ready_at >= decision.decided_at
    assert store.passes.get(pass_id(decision)) == first
    assert store.passes.qr(pass_id(decision)) is not None


def test_a_refusal_is_sent_as_text(store: Store, telegram: Recorder, make_event: Make) -> None:
    subscribe(store)
    accept(store, make_event(Label.WITHOUT_MASK))
    jobs.deliver(only(store).id)
    (message,) = telegram.sent
    assert message.qr_png is None
    assert "put on a mask" in message.text


def test_without_a_way_to_send_it_is_kept_as_undelivered_by_choice(
    store: Store, make_event: Make
) -> None:
    subscribe(store, Channel.EMAIL, "guard@example.org")
    accept(store, make_event(Label.WITHOUT_MASK))
    jobs.deliver(only(store).id)
    delivery = only(store)
    assert delivery.status is DeliveryStatus.UNDELIVERED_BY_CHOICE
    assert "CLOUD_SMTP_HOST" in delivery.detail


def test_a_message_that_can_never_arrive_fails_with_the_reason(
    store: Store, telegram: Recorder, make_event: Make
) -> None:
    subscribe(store)
    accept(store, make_event())
    telegram.error = DeliveryImpossible("the chat has blocked us")
    assert jobs.deliver(only(store).id) is None
    assert only(store).status is DeliveryStatus.FAILED
    assert only(store).detail == "the chat has blocked us"


@pytest.mark.parametrize(("asked", "wait"), [(None, 1), (7.0, 8), (0.5, 1)])
def test_a_message_that_may_arrive_later_is_tried_again(
    store: Store, telegram: Recorder, make_event: Make, asked: float | None, wait: int
) -> None:
    subscribe(store)
    accept(store, make_event())
    telegram.error = DeliveryPostponed("later", asked)
    again = jobs.deliver(only(store).id)
    assert isinstance(again, Retry)
    assert again.intervals == [wait]
    assert only(store).status is DeliveryStatus.PENDING


def test_a_server_slower_than_the_jobs_time_limit_is_tried_again_by_the_schedule(
    store: Store, telegram: Recorder, make_event: Make
) -> None:
    subscribe(store)
    accept(store, make_event(Label.WITHOUT_MASK))
    telegram.error = JobTimeoutException("timed out")
    again = jobs.deliver(only(store).id)
    assert isinstance(again, Retry)
    assert again.intervals == [1]
    assert "took longer than 30 s" in only(store).detail
    assert only(store).attempts == 1


def test_a_message_about_a_pass_that_is_over_is_not_sent(
    store: Store, telegram: Recorder, clock: Clock, make_event: Make
) -> None:
    subscribe(store)
    accept(store, make_event())
    clock.ahead = timedelta(minutes=6)
    jobs.deliver(only(store).id)
    assert telegram.sent == []
    assert only(store).status is DeliveryStatus.FAILED
    assert "expired" in only(store).detail


def test_a_job_that_broke_for_good_fails_its_delivery(store: Store, make_event: Make) -> None:
    subscribe(store)
    accept(store, make_event())
    delivery_id = only(store).id
    job = Job.create(DELIVER, args=[delivery_id], connection=store.client)
    job.retries_left = 2
    jobs.when_failed(job, None, RuntimeError)
    assert only(store).status is DeliveryStatus.PENDING
    job.retries_left = 0
    jobs.when_failed(job, None, RuntimeError)
    assert only(store).status is DeliveryStatus.FAILED
    assert "RuntimeError" in only(store).detail
    assert store.deliveries.page(gate=GATE, status=DeliveryStatus.FAILED, before=None, limit=9) == (
        [only(store)],
        None,
    )


def test_a_dead_workers_job_is_tried_again_ahead_of_others_and_its_first_try_forgotten(
    store: Store, make_event: Make
) -> None:
    subscribe(store)
    accept(store, make_event(Label.WITHOUT_MASK))
    (job,) = store.queue.jobs
    store.queue.remove(job)
    with store.queue_client.pipeline() as pipe:
        Execution.create(job, ttl=0, pipeline=pipe, worker_name="dead")
        job.prepare_for_execution("dead", pipe)
        pipe.execute()
    assert job.execution_registry.get_execution_ids() != []
    clean_registries(store.queue)
    again = store.queue.fetch_job(job.id)
    assert again is not None
    assert store.queue.scheduled_job_registry.get_job_ids() == [job.id]
    assert again.retries_left == 4
    assert again.should_enqueue_at_front()
    with store.queue_client.pipeline() as pipe:
        again.delete(pipeline=pipe)  # as RQ does when it is done: it would miss the first try
        pipe.execute()
    assert only(store).status is DeliveryStatus.PENDING


def test_a_job_whose_record_is_gone_does_nothing(store: Store) -> None:
    assert jobs.deliver("nothing") is None
    jobs.draw_qr(str(uuid4()))


def test_a_delivery_that_another_worker_leases_is_not_sent(
    store: Store, telegram: Recorder, make_event: Make
) -> None:
    subscribe(store)
    accept(store, make_event())
    assert store.deliveries.begin(only(store).id, timedelta(seconds=15)) is not None
    again = jobs.deliver(only(store).id)
    assert isinstance(again, Retry)
    assert 13 <= again.intervals[0] <= 16
    assert telegram.sent == []
