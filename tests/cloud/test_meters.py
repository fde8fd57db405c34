"""Metrics of a worker, scraped from a real process as Prometheus does."""

import math
import re
import select
import socket
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from cloud import meters
from cloud.api.metrics import Metrics
from cloud.contract import Channel, Event, Label
from cloud.settings import Settings
from cloud.store import Store, now
from cloud.store.jobs.queue import waited_s
from cloud.worker import jobs
from cloud.worker.context import JobContext
from tests.cloud.builders import Recorder, accept, subscribe
from tests.cloud.conftest import GATE
from tests.cloud.processes import environment, process, wait_until_it_answers
from tests.cloud.test_main import command
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.redis_server import RedisServer, free_port


def value(page: str, name: str) -> float | None:
    found = re.search(rf"^{re.escape(name)} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else None


@pytest.mark.usefixtures("restored_logging")
def test_a_worker_tells_what_it_did_and_how_long_the_queue_is(
    store: Store, redis_server: RedisServer, tmp_path: Path, make_event: Callable[..., Event]
) -> None:
    subscribe(store)
    accept(store, make_event(Label.WITHOUT_MASK))
    assert waited_s(store.queue, now() + timedelta(seconds=90)) > 89
    port = free_port()
    sent = 'maskgate_deliveries_total{channel="telegram",status="sent"}'
    done = 'maskgate_jobs_total{job="deliver",outcome="done"}'
    with BotApiDouble() as telegram:
        env = environment(
            redis_server.url,
            CLOUD_METRICS_PORT=str(port),
            CLOUD_TELEGRAM_TOKEN=telegram.token,
            CLOUD_TELEGRAM_API_URL=telegram.url,
        )
        with process("worker", env=env, log=tmp_path / "worker.log") as worker:
            address = f"http://127.0.0.1:{port}"
            wait_until_it_answers(address, "/metrics")
            deadline = time.monotonic() + 60
            # A job counts as done a moment after what it did.
            while value(page := httpx.get(f"{address}/metrics", timeout=30).text, done) != 1:
                assert time.monotonic() < deadline, page
                time.sleep(0.1)
            assert value(page, sent) == 1
            assert value(page, "maskgate_queue_depth") == 0
            assert value(page, "maskgate_queue_oldest_job_seconds") == 0
            latency = "maskgate_delivery_latency_seconds_count"
            assert value(page, latency + '{channel="telegram"}') == 1
            assert "42" not in re.findall(r'"([^"]*)"', page)
            assert telegram.token not in page + worker.log

            # A second process cannot have the same port, and says which setting to change.
            refused = command("worker", "--burst", env=env)
            assert refused.exit_code == 2
            assert "CLOUD_METRICS_PORT" in refused.stderr


@pytest.mark.usefixtures("store")
def test_an_empty_queue_has_no_age(store: Store) -> None:
    assert store.oldest_wait_s() == 0


def test_a_mail_that_sums_up_counts_once_and_with_all_that_it_is_about(
    make_event: Callable[..., Event], store: Store
) -> None:
    subscribe(store, Channel.EMAIL, "g@example.org")
    for _ in range(3):
        accept(store, make_event(Label.WITHOUT_MASK))
    told, _ = store.deliveries.page(gate=GATE, status=None, before=None, limit=9)
    names = {
        "digests": ("maskgate_mails_total", {"kind": "digest"}),
        "alone": ("maskgate_mails_total", {"kind": "alone"}),
        "sent": ("maskgate_deliveries_total", {"channel": "email", "status": "sent"}),
    }

    def counted() -> dict[str, float]:
        sample = meters.REGISTRY.get_sample_value
        return {each: sample(name, labels) or 0.0 for each, (name, labels) in names.items()}

    before = counted()
    context = JobContext(store, {Channel.EMAIL: Recorder()}, None, mail_cooldown=timedelta(0))
    jobs.set_context(context)
    store.digests.join(told[1])
    store.digests.join(told[2])
    for delivery in told:
        jobs.deliver(delivery.id)
    grown = {each: number - before[each] for each, number in counted().items()}
    assert grown == {"digests": 1, "alone": 0, "sent": 3}


def test_a_scrape_that_stops_half_way_ends_and_another_is_answered(
    settings: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    end = meters.serve(settings.model_copy(update={"metrics_port": port}), scrape_s=0.3)
    try:
        half = [socket.create_connection((settings.host, port), timeout=60) for _ in range(5)]
        for client in half[1:]:
            client.sendall(b"GET /metrics HTTP/1.1\r\nX-A: a")
        assert httpx.get(f"http://{settings.host}:{port}/metrics", timeout=60).status_code == 200
        for client in half:
            assert client.recv(1) == b""
            client.close()
    finally:
        end()
    assert "Traceback" not in capfd.readouterr().err


def test_counters_that_alerts_look_at_are_there_before_their_first_failure() -> None:
    sample = meters.REGISTRY.get_sample_value
    for job in ("deliver", "draw_qr"):
        assert sample("maskgate_jobs_total", {"job": job, "outcome": "broke"}) is not None
    for channel in Channel:
        failed = {"channel": channel.value, "status": "failed"}
        assert sample("maskgate_deliveries_total", failed) is not None
    assert sample("maskgate_bot_deaf_total") is not None
    guessed = Metrics().registry.get_sample_value
    assert guessed("maskgate_redemptions_total", {"outcome": "unknown"}) == 0


def test_a_worker_whose_store_hangs_answers_without_its_values(tmp_path: Path) -> None:
    port = free_port()
    with RedisServer(tmp_path) as server:
        env = environment(server.url, CLOUD_METRICS_PORT=str(port))
        with process("worker", env=env, log=tmp_path / "worker.log"):
            address = f"http://127.0.0.1:{port}"
            wait_until_it_answers(address, "/metrics")
            page = httpx.get(f"{address}/metrics", timeout=60).text
            assert value(page, "maskgate_queue_depth") == 0
            server.pause()
            try:
                page = httpx.get(f"{address}/metrics", timeout=60).text
            finally:
                server.resume()
            for name in ("queue_depth", "telegram_held_chats", "subscribers_suspended"):
                assert math.isnan(value(page, f"maskgate_{name}") or 0)
            assert value(page, "process_open_fds") is not None


def test_a_request_that_only_drips_in_ends_all_the_same(settings: Settings) -> None:
    port = free_port()
    end = meters.serve(settings.model_copy(update={"metrics_port": port}), scrape_s=0.5)
    try:
        with socket.create_connection((settings.host, port), timeout=60) as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nX-A: ")
            client.settimeout(0.02)
            ended = False
            deadline = time.monotonic() + 60
            # A byte each 20 ms: no read of the server's waits for long.
            while not ended:
                assert time.monotonic() < deadline
                try:
                    client.sendall(b"a")
                    ended = client.recv(1) != b"a"
                except TimeoutError:
                    continue
                except ConnectionError:
                    ended = True
        assert httpx.get(f"http://{settings.host}:{port}/metrics", timeout=60).status_code == 200
    finally:
        end()


def test_idle_connections_in_numbers_keep_no_scrape_out(settings: Settings) -> None:
    port = free_port()
    end = meters.serve(settings.model_copy(update={"metrics_port": port}), scrape_s=600)
    idle = []
    try:
        for _ in range(meters.SCRAPES_AT_ONCE + 3):
            idle.append(socket.create_connection((settings.host, port), timeout=60))
        assert httpx.get(f"http://{settings.host}:{port}/metrics", timeout=60).status_code == 200
        made_room, _, _ = select.select(idle, [], [], 60)
        assert made_room
        assert made_room[0].recv(1) == b""
    finally:
        for client in idle:
            client.close()
        end()
