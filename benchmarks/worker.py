"""The worker against RQ's default one: passes drawn and sent to a Bot API double, on loopback."""

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import uuid_utils
from pydantic import SecretStr

from benchmarks.rows import Row
from cloud import gatekeeping
from cloud.contract import Event, Gate, Label
from cloud.gatekeeping import PassRules, PostedEvent
from cloud.gatekeeping.blocking import BlockingGateStore
from cloud.settings import Settings
from cloud.store import Store, now
from demo.deployment import ROOT
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.redis_server import RedisServer

GATE = "bench"
PASSES = 200
FORKED_PASSES = 20
PACE_S = 0.1
PACED = 60
TELEGRAM_PER_SECOND = 30
TO_REACH = 5.0


def _accept(store: Store, chat: int) -> None:
    at = datetime.now(UTC)
    event = Event(
        id=UUID(int=uuid_utils.uuid7().int),
        label=Label.WITH_MASK,
        confidence=0.97,
        votes=9,
        first_seen_at=at,
        occurred_at=at,
    )
    store.visitors.join(GATE, str(chat), now(), timedelta(minutes=30))
    posted = PostedEvent(event, GATE, "bench")
    accepted = gatekeeping.accept(
        BlockingGateStore(store),
        lambda _: posted,
        gate=GATE,
        rules=PassRules(timedelta(minutes=30)),
        now=now(),
    )
    asyncio.run(accepted)


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker did with a number of passes.

    Args:
        rate: passes per second, from the first photo to the last.
        processor_ms: processor time for each, the worker's start and end left out, in milliseconds.
    """

    rate: float
    processor_ms: float


def _until_empty(command: list[str], env: dict[str, str]) -> float:
    """Run a worker until no job is left; the processor time of it and its children, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", *command], env=env, cwd=ROOT, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _work(store: Store, api: BotApiDouble, command: list[str], env: dict[str, str]) -> Work:
    passes = FORKED_PASSES if "benchmarks.forking" in command else PASSES
    idle_s = _until_empty(command, env)
    for chat in range(passes):
        _accept(store, passes * 1_000_000 + chat)
    api.photos.clear()
    taken_s = _until_empty(command, env)
    sent = api.wait_for_photos(passes)
    return Work((passes - 1) / (sent[-1].at - sent[0].at), max(taken_s - idle_s, 0) * 1000 / passes)


def rows(state: Path) -> dict[str, Row]:
    """Measure the rate of both workers, and the time from event to photo at 10 events/s.

    Args:
        state: An empty folder for Redis.

    Returns:
        The rows of the table, by name.
    """
    state.mkdir(parents=True, exist_ok=True)
    with RedisServer(state) as server, BotApiDouble() as api:
        env = {
            **os.environ,
            "CLOUD_REDIS_URL": server.url,
            "CLOUD_TELEGRAM_TOKEN": api.token,
            "CLOUD_TELEGRAM_API_URL": api.url,
            # The limit is Telegram's; here the worker's own pace is asked for.
            "CLOUD_TELEGRAM_PER_SECOND": "1000",
            "CLOUD_LOG_LEVEL": "warning",
        }
        store = Store.open(Settings(redis_url=SecretStr(server.url)))
        store.gates.add(Gate(id=GATE, name="Bench", created_at=now()))
        forking = _work(store, api, ["benchmarks.forking"], env)
        ours = _work(store, api, ["cloud", "worker", "--burst"], env)
        p95 = _latency(api, store, env)
        store.close()
    return {
        "worker passes": Row(
            ours.rate,
            "passes/s",
            f"RQ's forking worker: {forking.rate:,.1f}/s; to reach: {TO_REACH:.0f} times",
            ours.rate / forking.rate,
        ),
        "worker passes, processor time": Row(
            ours.processor_ms,
            "ms",
            f"RQ's forking worker: {forking.processor_ms:,.1f} ms",
            forking.processor_ms / ours.processor_ms,
        ),
        "worker passes, and the limit": Row(
            ours.rate,
            "passes/s",
            f"Telegram takes {TELEGRAM_PER_SECOND} messages/s",
            ours.rate / TELEGRAM_PER_SECOND,
        ),
        "event to photo, p95": Row(p95, "ms", "at 10 events/s, to reach: 300 ms", p95 / 300),
    }


def _latency(api: BotApiDouble, store: Store, env: dict[str, str]) -> float:
    """Milliseconds from an accepted event to its photo at the double, 95th percentile."""
    api.photos.clear()
    command = [sys.executable, "-m", "cloud", "worker"]
    with subprocess.Popen(command, env=env, cwd=ROOT) as running:
        try:
            _accept(store, 3_000_000)
            api.wait_for_photos(1, timeout_s=60)
            accepted = {}
            for chat in range(3_000_001, 3_000_001 + PACED):
                began = time.monotonic()
                _accept(store, chat)
                accepted[str(chat)] = time.monotonic()
                time.sleep(max(0.0, PACE_S - (time.monotonic() - began)))
            sent = api.wait_for_photos(PACED + 1, timeout_s=60)
        finally:
            running.terminate()
    waits = [(each.at - accepted[each.chat_id]) * 1000 for each in sent[1:]]
    return statistics.quantiles(waits, n=100)[94]
