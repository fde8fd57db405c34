"""A store behind sentinels: when its master ends, what follows goes to the one in its place."""

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from cloud.contract import Event, Gate, Role
from cloud.errors import StoreUnavailable
from cloud.settings import Settings
from cloud.store import AsyncStore, Attempt, Store, mint, now
from tests.cloud import door
from tests.cloud.conftest import GATE
from tests.cloud.processes import environment, process
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.sentinel import TIMEOUT_S, WatchedRedis

MINUTES = timedelta(minutes=5)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedRedis]:
    with WatchedRedis(tmp_path) as both:
        yield both


def _ready(store: Store) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            store.ping()
        except StoreUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        else:
            return


def _granted(store: Store, event: Event, chat: str) -> str:
    store.visitors.join(GATE, chat, now(), MINUTES)
    answer = door.accept(
        store, event, gate=GATE, device_id="camera", pass_lifetime=MINUTES, now=now()
    )
    issued = answer.decision.issued_pass
    assert issued is not None
    return issued.token


async def test_what_was_written_is_there_and_goes_on_after_the_master_ended(
    watched: WatchedRedis, tmp_path: Path, make_event: Callable[..., Event]
) -> None:
    settings = Settings(redis_url=SecretStr(watched.url))
    store = Store.open(settings)
    translates_redis_errors = AsyncStore.open(settings, store.batches)
    store.gates.add(Gate(id=GATE, name="Main", created_at=now()))
    key = mint("scanner", Role.SCANNER, GATE).stored
    store.keys.add(key)
    with BotApiDouble() as telegram:
        env = environment(
            watched.url, CLOUD_TELEGRAM_TOKEN=telegram.token, CLOUD_TELEGRAM_API_URL=telegram.url
        )
        with process("worker", env=env, log=tmp_path / "worker.log"):
            before = _granted(store, make_event(), "1")
            telegram.wait_for_photos(1, timeout_s=TIMEOUT_S)
            context = await translates_redis_errors.read_context(key.id)
            assert context.gate is not None

            watched.fail_over()
            _ready(store)

            attempt = Attempt(before, GATE, "nonce-of-1", key.id, now(), context.preconditions)
            settled = await translates_redis_errors.redeem(attempt)
            assert settled is not None
            assert settled.outcome == "admitted"
            _granted(store, make_event(), "2")
            photos = telegram.wait_for_photos(2, timeout_s=2 * TIMEOUT_S)
            assert [photo.chat_id for photo in photos] == ["1", "2"]
    await translates_redis_errors.close()
    store.close()


def test_without_a_sentinel_that_answers_the_store_is_away() -> None:
    url = SecretStr("redis+sentinel://127.0.0.1:1/maskgate/0")
    store = Store.open(Settings(redis_url=url))
    with pytest.raises(StoreUnavailable):
        store.ping()
    store.close()
