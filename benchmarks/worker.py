"""The worker against RQ's default one: passes drawn and sent to a Bot API double, on loopback."""

import os
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import uuid_utils
from pydantic import SecretStr

from benchmarks.rows import Row
from cloud import gatekeeping
from cloud.contract import Event, Gate, Label
from cloud.settings import Settings
from cloud.store import Store, now
from demo.stage import ROOT
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.redis_server import RedisServer

GATE = "bench"
PASSES = 200
FORKED_PASSES = 20
PACE_S = 0.1
PACED = 60
TELEGRAM_PER_SECOND = 30


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
    gatekeeping.accept(
        store,
        event,
        gate=GATE,
        device_id="bench",
        pass_lifetime=timedelta(minutes=30),
        now=now(),
    )


def _rate(api: BotApiDouble, command: list[str], env: dict[str, str], passes: int) -> float:
    """Run a worker until no job is left; passes per second from the first photo to the last."""
    api.photos.clear()
    subprocess.run([sys.executable, "-m", *command], env=env, cwd=ROOT, check=True)
    sent = api.wait_for_photos(passes)
    return (passes - 1) / (sent[-1].at - sent[0].at)


def rows(state: Path) -> dict[str, Row]:
    """Measure the rate of both workers, and the time from event to photo at 10 events/s.

    Args:
        state: an empty folder for Redis.
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
        for chat in range(FORKED_PASSES):
            _accept(store, 1_000_000 + chat)
        forking = _rate(api, ["benchmarks.forking"], env, FORKED_PASSES)
        for chat in range(PASSES):
            _accept(store, 2_000_000 + chat)
        ours = _rate(api, ["cloud", "worker", "--burst"], env, PASSES)
        p95 = _latency(api, store, env)
        store.close()
    return {
        "worker passes": Row(
            ours, "passes/s", f"RQ's forking worker: {forking:,.1f}/s", ours / forking
        ),
        "worker passes, and the limit": Row(
            ours,
            "passes/s",
            f"Telegram takes {TELEGRAM_PER_SECOND} messages/s",
            ours / TELEGRAM_PER_SECOND,
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
