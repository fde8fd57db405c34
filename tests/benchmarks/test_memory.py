"""The memory that is measured is that of what a worker leaves behind."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uuid_utils
from pydantic import SecretStr

from benchmarks import memory
from benchmarks.memory import GATE, Filler, MemoryShortError
from cloud.contract import Event, Label
from cloud.settings import Settings
from cloud.store import Store, keyspace, now
from tests.cloud import door
from tests.cloud.processes import environment, process
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.redis_server import RedisServer

PREFIXES = (
    keyspace.EVENT_PREFIX,
    keyspace.PASS_PREFIX,
    keyspace.DELIVERY_PREFIX,
    keyspace.token(""),
)


def _left(server: RedisServer) -> Mapping[str, Any]:
    """What one event left: keys by their kind, with the fields of hashes and how full they are."""
    with server.client() as client:
        kinds = {}
        for key in client.keys("*"):
            kind = next((p for p in PREFIXES if key.startswith(p.encode())), None)
            if kind is None:
                continue
            fields = client.hgetall(key) if client.type(key) == b"hash" else {}
            kinds[kind] = {name: len(value) for name, value in fields.items()}
        jobs = client.keys("rq:job:*") + client.keys(keyspace.pass_token("*"))
        return {**kinds, "queued": len(jobs), "streams": client.xlen(keyspace.events())}


def _by_a_worker(store: Store, server: RedisServer, folder: Path) -> None:
    at = now()
    event = Event(
        id=UUID(int=uuid_utils.uuid7().int),
        label=Label.WITH_MASK,
        confidence=0.97,
        votes=9,
        first_seen_at=at,
        occurred_at=at,
    )
    door.accept(
        store,
        event,
        gate=GATE,
        device_id="bench",
        pass_lifetime=timedelta(minutes=10),
        now=at,
    )
    with BotApiDouble() as telegram:
        env = environment(
            server.url, CLOUD_TELEGRAM_TOKEN=telegram.token, CLOUD_TELEGRAM_API_URL=telegram.url
        )
        with process("worker", "--burst", env=env, log=folder / "worker.log") as worker:
            telegram.wait_for_photos(1, timeout_s=60)
            worker.running.wait(timeout=60)
    with server.client() as client:
        client.delete(*client.keys(keyspace.pass_token("*")))


def test_what_is_left_is_what_a_worker_leaves(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        store = Store.open(Settings(redis_url=SecretStr(server.url)))
        filler = Filler(store)
        filler.prepare()
        _by_a_worker(store, server, tmp_path)
        by_a_worker = _left(server)
        with server.client() as client:
            client.flushdb()
        filler.prepare()
        filler.write(1)
        written = _left(server)
        store.close()
    assert written.keys() == by_a_worker.keys()
    assert (written["queued"], written["streams"]) == (0, 1)
    for kind, fields in by_a_worker.items():
        if isinstance(fields, dict):
            assert written[kind].keys() == fields.keys(), kind
            assert abs(sum(written[kind].values()) - sum(fields.values())) < 20, kind


def test_each_mark_that_fits_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MARKS", (500, 1_000, 1_000_000_000_000))
    rows = memory.rows(tmp_path, most=1_000_000_000_000)
    assert list(rows) == ["memory per event, of 500", "memory per event, of 1,000"]
    assert all(500 < row.value < 20_000 for row in rows.values())
    monkeypatch.setattr(memory, "MARKS", (1_000_000_000_000,))
    with pytest.raises(MemoryShortError, match="are free"):
        memory.rows(tmp_path / "again", most=1_000_000_000_000)
