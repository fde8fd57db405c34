"""The worker as a process, with a real Redis and a Bot API over HTTP."""

import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp
from pydantic import SecretStr
from rq.serializers import JSONSerializer

from cloud.contract import (
    Channel,
    Delivery,
    DeliveryStatus,
    Event,
    Gate,
    Label,
)
from cloud.notify import mail as mail_notifier
from cloud.settings import Settings
from cloud.store import JobQueue, Store, now
from cloud.store.connection import SOCKET_TIMEOUT_S
from cloud.worker.rq_worker import JOB_WAIT_S, DeliveryWorker
from tests.cloud import door
from tests.cloud.builders import accept, deliveries, only, subscribe
from tests.cloud.conftest import GATE
from tests.cloud.processes import Process, environment, process
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.mail_server import MailServer
from tests.doubles.redis_server import RedisServer

Make = Callable[..., Event]
PATIENCE_S = 60.0


@pytest.fixture
def api() -> Iterator[BotApiDouble]:
    with BotApiDouble() as double:
        yield double


@pytest.fixture
def worker(
    api: BotApiDouble, store: Store, redis_server: RedisServer, tmp_path: Path
) -> Iterator[Process]:
    subscribe(store)
    env = environment(
        redis_server.url, CLOUD_TELEGRAM_TOKEN=api.token, CLOUD_TELEGRAM_API_URL=api.url
    )
    with process("worker", env=env, log=tmp_path / "worker.log") as running:
        yield running


def settled(store: Store, wanted: int = 1) -> list[Delivery]:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        done = [
            delivery
            for delivery in deliveries(store)
            if delivery.status is not DeliveryStatus.PENDING
        ]
        if len(done) >= wanted:
            return done
        time.sleep(0.02)
    raise AssertionError(f"{wanted} deliveries were not settled within {PATIENCE_S} s")


def test_a_pass_arrives_as_a_photo_whose_code_admits(
    worker: Process, api: BotApiDouble, store: Store, make_event: Make, redis_server: RedisServer
) -> None:
    event = make_event()
    issued = accept(store, event).issued_pass
    assert issued is not None
    (photo,) = api.wait_for_photos(1)
    picture = cv2.imdecode(np.frombuffer(photo.photo, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert picture is not None
    (scanned,) = (code.text for code in zxingcpp.read_barcodes(picture))
    assert scanned == issued.token
    (delivery,) = settled(store)
    assert delivery.status is DeliveryStatus.SENT
    held = store.passes.get(issued.id)
    assert held is not None
    assert held.qr_ready_at is not None
    redemption = door.redeem(
        store, scanned=scanned, nonce="nonce-0001", gate=GATE, key_id="reader", now=now()
    )
    assert redemption.outcome == "admitted"
    assert str(event.id) in worker.log
    for secret in (issued.token, api.token):
        assert secret not in worker.log


def test_an_idle_look_for_a_job_ends_before_redis_counts_as_away(store: Store) -> None:
    worker = DeliveryWorker(
        [store.queue],
        connection=store.queue_client,
        serializer=JSONSerializer,
        queue_class=JobQueue,
        worker_ttl=JOB_WAIT_S + 15,
    )
    assert worker.dequeue_timeout == JOB_WAIT_S < SOCKET_TIMEOUT_S
    kwargs = store.queue_client.connection_pool.connection_kwargs
    assert kwargs["socket_timeout"] == SOCKET_TIMEOUT_S


def test_finished_jobs_leave_nothing_behind_that_stays(
    worker: Process, api: BotApiDouble, store: Store, make_event: Make, redis_server: RedisServer
) -> None:
    api.break_down()
    accept(store, make_event())
    api.wait_for_photos(1)
    settled(store)
    with redis_server.client() as client:
        deadline = time.monotonic() + PATIENCE_S
        while client.keys("rq:job:*"):
            assert time.monotonic() < deadline, client.keys("rq:*")
            time.sleep(0.02)
        assert client.keys("rq:results:*") == []


def test_a_flood_is_waited_out_and_a_breakdown_tried_again(
    worker: Process, api: BotApiDouble, store: Store, make_event: Make
) -> None:
    api.flood(retry_after=1)
    api.break_down()
    accept(store, make_event(Label.WITHOUT_MASK))
    (message,) = api.wait_for_messages(1)
    assert "put on a mask" in message.text
    assert api.calls.count("sendMessage") == 3
    (delivery,) = settled(store)
    assert delivery.status is DeliveryStatus.SENT


def test_a_chat_that_is_told_to_wait_an_hour_keeps_no_other_waiting(
    worker: Process, api: BotApiDouble, store: Store, make_event: Make
) -> None:
    for chat in ("43", "44"):
        subscribe(store, address=chat)
    api.flood(retry_after=3600)
    accept(store, make_event(Label.WITHOUT_MASK))
    api.wait_for_messages(2)
    sent = settled(store, 2)
    assert {delivery.status for delivery in sent} == {DeliveryStatus.SENT}
    (held,), _ = store.deliveries.page(
        gate=None, status=DeliveryStatus.PENDING, before=None, limit=9
    )
    assert held.address not in {message.chat_id for message in api.messages}
    assert "this chat waits until" in held.detail
    assert (held.attempts, held.throttled) == (1, 1)


def test_a_blocked_chat_is_failed_and_kept(
    worker: Process, api: BotApiDouble, store: Store, make_event: Make
) -> None:
    api.refuse(403, "Forbidden: bot was blocked by the user")
    accept(store, make_event(Label.WITHOUT_MASK))
    (delivery,) = settled(store)
    assert delivery.status is DeliveryStatus.FAILED
    assert "blocked" in delivery.detail


def test_a_worker_finishes_its_job_when_it_is_told_to_stop(
    worker: Process, api: BotApiDouble, store: Store, make_event: Make
) -> None:
    api.hang()
    accept(store, make_event(Label.WITHOUT_MASK))
    api.wait_for_calls("sendMessage")
    worker.running.send_signal(signal.SIGTERM)
    api.release()
    assert worker.running.wait(timeout=PATIENCE_S) == 0
    # The hung try was postponed, not lost: its job waits for the next worker.
    kept = only(store)
    assert kept.status is DeliveryStatus.PENDING
    # It may be due again already.
    assert store.queue.scheduled_job_registry.count + store.waiting_jobs() == 1


def test_from_an_accepted_event_to_the_photo_takes_less_than_a_second(
    worker: Process, api: BotApiDouble, store: Store, make_event: Make
) -> None:
    accept(store, make_event())
    api.wait_for_photos(1)
    waits = []
    for number in range(2, 12):
        # Each to a visitor of its own: one chat is sent one message a second.
        store.visitors.join(GATE, str(100 + number), now(), timedelta(minutes=5))
        accepted = time.monotonic()
        accept(store, make_event())
        waits.append(api.wait_for_photos(number)[-1].at - accepted)
    assert sorted(waits)[len(waits) // 2] < 1, waits


def test_a_killed_workers_job_is_done_by_another_and_its_message_doubled_at_most_once(
    worker: Process,
    api: BotApiDouble,
    store: Store,
    make_event: Make,
    redis_server: RedisServer,
    tmp_path: Path,
) -> None:
    """Killed with one job in hand, in the one window in which a message doubles: Telegram has
    taken it, and that is not written down. Another job waits for its next try."""
    api.break_down()
    accept(store, make_event(Label.WITHOUT_MASK))
    api.wait_for_calls("sendMessage", 1)
    store.visitors.join(GATE, "7", now(), timedelta(minutes=5))
    api.swallow()
    accept(store, make_event())
    api.wait_for_photos(1)
    worker.running.kill()
    worker.running.wait()
    api.release()
    env = environment(
        redis_server.url, CLOUD_TELEGRAM_TOKEN=api.token, CLOUD_TELEGRAM_API_URL=api.url
    )
    with process("worker", env=env, log=tmp_path / "second.log"):
        api.wait_for_photos(2, timeout_s=60)
        api.wait_for_messages(1, timeout_s=60)
        done = settled(store, 2)
    assert {delivery.status for delivery in done} == {DeliveryStatus.SENT}
    assert {delivery.attempts for delivery in done} == {2}
    assert len(api.photos) == 2
    assert len(api.messages) == 1


def test_a_worker_waits_for_a_store_that_is_away_and_comes_back(
    api: BotApiDouble, tmp_path: Path, make_event: Make
) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    own = RedisServer(folder)
    env = environment(own.url, CLOUD_TELEGRAM_TOKEN=api.token, CLOUD_TELEGRAM_API_URL=api.url)
    with process("worker", env=env, log=tmp_path / "worker.log") as running, own:
        store = Store.open(Settings(redis_url=SecretStr(own.url)))
        store.gates.add(Gate(id=GATE, name="Main", created_at=now()))
        subscribe(store)
        accept(store, make_event())
        api.wait_for_photos(1, timeout_s=60)
        own.stop()
        own.start()
        accept(store, make_event())
        api.wait_for_photos(2, timeout_s=60)
        assert running.running.poll() is None
        store.close()


@pytest.fixture
def posted(
    api: BotApiDouble, store: Store, redis_server: RedisServer
) -> Iterator[tuple[MailServer, dict[str, str]]]:
    """A mail server that hangs, and the environment of a worker that sends there."""
    for channel, address in ((Channel.TELEGRAM, "42"), (Channel.EMAIL, "guard@example.org")):
        subscribe(store, channel, address)
    with MailServer(hangs=True) as mail:
        yield (
            mail,
            environment(
                redis_server.url,
                CLOUD_TELEGRAM_TOKEN=api.token,
                CLOUD_TELEGRAM_API_URL=api.url,
                CLOUD_SMTP_HOST="127.0.0.1",
                CLOUD_SMTP_PORT=str(mail.port),
                CLOUD_SMTP_SECURITY="none",
            ),
        )


def test_a_mail_server_that_hangs_keeps_no_pass_waiting(
    posted: tuple[MailServer, dict[str, str]],
    api: BotApiDouble,
    store: Store,
    make_event: Make,
    tmp_path: Path,
) -> None:
    mail, env = posted
    with process("worker", env=env, log=tmp_path / "worker.log") as running:
        accept(store, make_event(Label.WITHOUT_MASK))
        mail.wait_for_connections(1)
        began = time.monotonic()
        accept(store, make_event())
        api.wait_for_photos(1)
        # Before the mail server is given up on.
        assert time.monotonic() - began < mail_notifier.TIMEOUT_S
        assert mail.mails == []
        mail.hangs = False
        mail.wait_for_mails(1)
        settled(store, 3)
    assert running.running.returncode == 0


def test_the_mail_of_a_killed_worker_is_sent_by_another(
    posted: tuple[MailServer, dict[str, str]], store: Store, make_event: Make, tmp_path: Path
) -> None:
    mail, env = posted
    with process("worker", env=env, log=tmp_path / "first.log") as first:
        accept(store, make_event(Label.WITHOUT_MASK))
        mail.wait_for_connections(1)
        first.running.kill()
        first.running.wait()
    mail.hangs = False
    with process("worker", env=env, log=tmp_path / "second.log"):
        mail.wait_for_mails(1, timeout_s=60)
        settled(store, 2)
    assert len(mail.mails) == 1
    assert "Traceback" not in (tmp_path / "second.log").read_text()
