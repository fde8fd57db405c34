import threading
from collections.abc import Callable
from datetime import datetime, timedelta
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

from cloud import gatekeeping, jobs
from cloud.contract import (
    Channel,
    Decision,
    Delivery,
    DeliveryStatus,
    Event,
    Gate,
    Label,
    Subscriber,
)
from cloud.errors import DeliveryImpossible, DeliveryPostponed
from cloud.notify.base import Message
from cloud.posting import Desk
from cloud.settings import Settings
from cloud.store import DELIVER, DRAW_QR, WHEN_FAILED, Store, now
from tests.cloud.conftest import GATE
from tests.doubles.redis_server import RedisServer

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


def test_what_was_sent_is_written_down_once_the_store_is_back(
    tmp_path: Path, make_event: Make
) -> None:
    with RedisServer(tmp_path) as server:
        store = Store.open(Settings(redis_url=SecretStr(server.url)))
        store.gates.add(Gate(id=GATE, name="Main", created_at=now()))
        subscribe(store)
        notifier = Outlived(server)
        jobs.sit_down(Desk(store, {Channel.TELEGRAM: notifier}, None))
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


def test_jobs_of_what_is_gone_do_nothing(store: Store) -> None:
    assert jobs.deliver("nothing") is None
    jobs.draw_qr(str(uuid4()))


# Mail: cooldown, digest, quiet hours; and muted chats.


@pytest.fixture
def mail(store: Store, clock: Clock) -> Recorder:
    recorder = Recorder()
    jobs.sit_down(Desk(store, {Channel.EMAIL: recorder}, None, clock))
    return recorder


def subscribe_mailbox(store: Store, **more: object) -> None:
    store.gates.subscribe(
        Subscriber.model_validate(
            {
                **{"id": "box", "gate": GATE, "channel": "email", "address": "a@example.org"},
                **{"created_at": now(), **more},
            }
        )
    )


def deliver_all(store: Store) -> list[object]:
    kept, _ = store.deliveries.page(gate=None, status=None, before=None, limit=50)
    return [jobs.deliver(each.id) for each in reversed(kept)]


def statuses(store: Store) -> list[str]:
    kept, _ = store.deliveries.page(gate=None, status=None, before=None, limit=50)
    return [each.status.value for each in kept]


def test_a_queue_of_people_is_one_mail_and_then_one_more(
    store: Store, mail: Recorder, clock: Clock, make_event: Make
) -> None:
    subscribe_mailbox(store, cooldown_s=600)
    accept(store, make_event(Label.WITHOUT_MASK))
    assert deliver_all(store) == [None]
    for label in (Label.WITHOUT_MASK, Label.INCORRECT_MASK, Label.WITHOUT_MASK):
        accept(store, make_event(label))
    later = [each for each in deliver_all(store) if each is not None]
    assert len(later) == 3
    assert all(isinstance(each, Retry) and 590 < each.intervals[0] <= 600 for each in later)
    assert "summed up at" in only_pending(store)[0].detail
    assert len(mail.sent) == 1

    clock.ahead = timedelta(seconds=601)
    assert deliver_all(store) == [None] * 4
    assert statuses(store) == ["sent"] * 4
    first, digest = mail.sent
    assert first.text.startswith("Refused at Main entrance: no mask")
    assert first.html is not None
    assert digest.text.startswith("3 refusals at Main entrance")
    assert "2 without a mask, 1 with the mask worn wrongly" in digest.text
    assert digest.html is not None
    assert digest.html.count('<tr><td style="border-bottom:1px') == 3


def only_pending(store: Store) -> list[Delivery]:
    kept, _ = store.deliveries.page(gate=None, status=DeliveryStatus.PENDING, before=None, limit=50)
    return kept


def test_in_quiet_hours_mails_wait_for_their_end(
    store: Store, mail: Recorder, clock: Clock, make_event: Make
) -> None:
    at = now()
    hours = {"start": f"{at:%H:%M}", "end": f"{at + timedelta(hours=2):%H:%M}", "timezone": "UTC"}
    subscribe_mailbox(store, quiet_hours=hours)
    for _ in range(2):
        accept(store, make_event(Label.WITHOUT_MASK))
    assert all(isinstance(each, Retry) for each in deliver_all(store))
    assert mail.sent == []
    assert "quiet hours until" in only_pending(store)[0].detail
    clock.ahead = timedelta(hours=2, minutes=1)
    deliver_all(store)
    assert len(mail.sent) == 1
    assert statuses(store) == ["sent", "sent"]


def test_a_mail_that_fails_is_tried_again_with_all_that_waits(
    store: Store, mail: Recorder, make_event: Make
) -> None:
    subscribe_mailbox(store)
    for _ in range(2):
        accept(store, make_event(Label.WITHOUT_MASK))
    mail.error = DeliveryPostponed("the mail server is away")
    assert all(isinstance(each, Retry) for each in deliver_all(store))
    assert {each.attempts for each in only_pending(store)} == {1}
    mail.error = None
    deliver_all(store)
    assert [message.text[:10] for message in mail.sent] == ["2 refusals"]


def test_markup_in_a_gates_name_is_text_in_the_mail(
    store: Store, mail: Recorder, make_event: Make
) -> None:
    name = "<script>alert(1)</script>"
    store.gates.add(Gate(id="evil", name=name, created_at=now()))
    subscribe_mailbox(store, gate="evil")
    gatekeeping.accept(
        store,
        make_event(Label.WITHOUT_MASK),
        gate="evil",
        device_id="camera",
        pass_lifetime=timedelta(minutes=5),
        now=now(),
    )
    deliver_all(store)
    assert mail.sent[0].html is not None
    assert "<script" not in mail.sent[0].html
    assert "&lt;script&gt;" in mail.sent[0].html


def test_a_muted_chat_gets_passes_and_no_alerts(
    store: Store, telegram: Recorder, make_event: Make
) -> None:
    store.gates.subscribe(
        Subscriber(id="a", gate=GATE, channel=Channel.TELEGRAM, address="42", created_at=now())
    )
    accept(store, make_event(Label.WITHOUT_MASK))
    store.chats.mute("42", now() + timedelta(hours=1))
    deliver_all(store)
    assert only(store).status is DeliveryStatus.UNDELIVERED_BY_CHOICE
    assert "muted" in only(store).detail
    accept(store, make_event())
    deliver_all(store)
    assert len(telegram.sent) == 1
    assert telegram.sent[0].qr_png is not None


def test_a_delivery_in_other_hands_is_not_sent_beside_them(
    store: Store, telegram: Recorder, make_event: Make
) -> None:
    subscribe(store)
    accept(store, make_event())
    assert store.deliveries.begin(only(store).id, timedelta(seconds=15)) is not None
    again = jobs.deliver(only(store).id)
    assert isinstance(again, Retry)
    assert 13 <= again.intervals[0] <= 16
    assert telegram.sent == []
