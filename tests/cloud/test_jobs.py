from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import cv2
import numpy as np
import pytest
from rq import Retry
from rq.job import Job

from cloud import gatekeeping, jobs
from cloud.contract import (
    Channel,
    Decision,
    Delivery,
    DeliveryStatus,
    Event,
    Label,
    Subscriber,
)
from cloud.errors import DeliveryImpossible, DeliveryPostponed
from cloud.notify.base import Message
from cloud.posting import Desk
from cloud.store import DELIVER, DRAW_QR, WHEN_FAILED, Store, now
from tests.cloud.conftest import GATE

Make = Callable[..., Event]


class Recorder:
    """A notifier that keeps what it is given, or raises what a test says."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.error: Exception | None = None

    def send(self, message: Message) -> str:
        if self.error is not None:
            raise self.error
        self.sent.append(message)
        return str(len(self.sent))

    def close(self) -> None: ...


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return now() + self.ahead


@pytest.fixture
def telegram() -> Recorder:
    return Recorder()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def _desk(store: Store, telegram: Recorder, clock: Clock) -> None:
    jobs.sit_down(Desk(store, {Channel.TELEGRAM: telegram}, None, clock))


def accept(store: Store, event: Event) -> Decision:
    answer = gatekeeping.accept(
        store,
        event,
        gate=GATE,
        device_id="camera",
        pass_lifetime=timedelta(minutes=5),
        now=now(),
    )
    return answer.decision


def subscribe(store: Store, channel: Channel = Channel.TELEGRAM, address: str = "42") -> None:
    store.gates.subscribe(
        Subscriber(id=uuid4().hex, gate=GATE, channel=channel, address=address, created_at=now())
    )


def only(store: Store) -> Delivery:
    (delivery,), _ = store.deliveries.page(gate=None, status=None, before=None, limit=9)
    return delivery


def pass_id(decision: Decision) -> UUID:
    assert decision.issued_pass is not None
    return decision.issued_pass.id


def test_the_names_in_the_queue_are_jobs() -> None:
    for name in (DELIVER, DRAW_QR, WHEN_FAILED):
        module, _, function = name.rpartition(".")
        assert module == jobs.__name__
        assert callable(getattr(jobs, function))


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
    assert cv2.QRCodeDetector().detectAndDecode(picture)[0] == decision.issued_pass.token
    assert decision.issued_pass.token not in message.text
    delivery = only(store)
    assert delivery.status is DeliveryStatus.SENT
    assert delivery.settled_at is not None


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


def test_what_can_never_arrive_is_failed_and_says_why(
    store: Store, telegram: Recorder, make_event: Make
) -> None:
    subscribe(store)
    accept(store, make_event())
    telegram.error = DeliveryImpossible("the chat has blocked us")
    assert jobs.deliver(only(store).id) is None
    assert only(store).status is DeliveryStatus.FAILED
    assert only(store).detail == "the chat has blocked us"


@pytest.mark.parametrize(("asked", "wait"), [(None, 1), (7.0, 8), (0.5, 1)])
def test_what_may_arrive_later_is_tried_again(
    store: Store, telegram: Recorder, make_event: Make, asked: float | None, wait: int
) -> None:
    subscribe(store)
    accept(store, make_event())
    telegram.error = DeliveryPostponed("later", asked)
    again = jobs.deliver(only(store).id)
    assert isinstance(again, Retry)
    assert again.intervals == [wait]
    assert only(store).status is DeliveryStatus.PENDING


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


def test_jobs_of_what_is_gone_do_nothing(store: Store) -> None:
    assert jobs.deliver("nothing") is None
    jobs.draw_qr(str(uuid4()))
