"""The limiter on a clock that the tests turn: no window may hold more than Telegram allows."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.store import Store
from cloud.store.limiter import Limiter
from tests.doubles.redis_server import RedisServer

START_MS = 1_700_000_000_000.0
PRIVATE, GROUP = "42", "-100200300"


class Undying(redis.Redis):
    """A client whose scripts leave keys that do not expire: those are by Redis' clock, which goes
    on while the clock of these tests stands."""

    def evalsha(self, sha: str, numkeys: int, *keys_and_args: Any) -> Any:
        with self.pipeline() as pipe:
            pipe.evalsha(sha, numkeys, *keys_and_args)
            for key in keys_and_args[:numkeys]:
                pipe.persist(key)
            return pipe.execute()[0]


@pytest.fixture
def limiter(store: Store, redis_server: RedisServer) -> Iterator[Limiter]:
    with Undying(port=redis_server.port) as client:
        yield Limiter(client)


def sent(
    limiter: Limiter, chats: Sequence[str], start_ms: float = START_MS
) -> dict[str, list[float]]:
    """Send a message to each of `chats`, all handed over at once; return when each went (ms)."""
    went: dict[str, list[float]] = defaultdict(list)
    waiting = [(START_MS, f"message-{number}", chat) for number, chat in enumerate(chats)]
    while waiting:
        waiting.sort()
        now, message, chat = waiting.pop(0)
        wait_ms = limiter.take(chat, message, now).total_seconds() * 1000
        if wait_ms == 0:
            went[chat].append(now)
        else:
            waiting.append((now + wait_ms, message, chat))
    return went


def most_within(moments: Sequence[float], window_ms: float) -> int:
    ordered = sorted(moments)
    return max(sum(first <= each < first + window_ms for each in ordered) for first in ordered)


def test_the_fleet_sends_no_more_than_30_in_any_second_and_close_to_that(limiter: Limiter) -> None:
    went = sent(limiter, [str(chat) for chat in range(1, 151)])
    moments = [moment for each in went.values() for moment in each]
    assert len(moments) == 150
    assert most_within(moments, 1000) <= 30
    assert max(moments) - START_MS <= 150 / 25 * 1000


def test_a_chat_gets_one_a_second_in_order(limiter: Limiter) -> None:
    went = sent(limiter, [PRIVATE] * 10)
    assert most_within(went[PRIVATE], 999) == 1
    assert max(went[PRIVATE]) - START_MS <= 9_001


def test_a_group_gets_at_most_20_in_any_minute(limiter: Limiter) -> None:
    went = sent(limiter, [GROUP] * 60)
    assert len(went[GROUP]) == 60
    assert most_within(went[GROUP], 60_000) <= 20


def test_a_chat_that_waits_does_not_keep_the_others_waiting(limiter: Limiter) -> None:
    went = sent(limiter, [PRIVATE] * 20 + ["7"])
    assert went["7"] == [START_MS]


def test_a_message_that_comes_later_does_not_overtake_the_line(limiter: Limiter) -> None:
    take = limiter.take
    assert take(PRIVATE, "first", START_MS).total_seconds() == 0
    assert take(PRIVATE, "second", START_MS).total_seconds() == 1
    assert take(PRIVATE, "third", START_MS + 900).total_seconds() == 1.1
    # The second is late for its place by half a second, and is still before a newcomer.
    assert take(PRIVATE, "newcomer", START_MS + 1_500).total_seconds() == 1.5
    assert take(PRIVATE, "second", START_MS + 1_500).total_seconds() == 0
    # And the third then keeps its distance.
    assert take(PRIVATE, "third", START_MS + 2_000).total_seconds() == 0.5


def test_what_telegram_asks_holds_the_whole_fleet(limiter: Limiter) -> None:
    limiter.hold(7, START_MS)
    limiter.hold(3, START_MS)
    assert limiter.take("1", "a", START_MS).total_seconds() == 7
    assert limiter.take("2", "b", START_MS + 6_000).total_seconds() == 1
    assert limiter.take("2", "b", START_MS + 7_000).total_seconds() == 0


def test_on_the_clock_of_redis_the_first_goes_at_once(store: Store) -> None:
    began = time.monotonic()
    assert store.limiter.take(PRIVATE, "first").total_seconds() == 0
    wait_s = store.limiter.take(PRIVATE, "second").total_seconds()
    # To the limiter's millisecond, at either reading of the clock.
    assert max(1 - (time.monotonic() - began) - 0.01, 0) <= wait_s <= 1


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["1", "2", "3", GROUP]), min_size=1, max_size=40))
def test_whatever_comes_no_window_holds_too_many(
    store: Store, limiter: Limiter, chats: list[str]
) -> None:
    store.client.flushall()
    went = sent(limiter, chats)
    assert sum(len(each) for each in went.values()) == len(chats)
    assert most_within([moment for each in went.values() for moment in each], 1000) <= 30
    for chat, moments in went.items():
        window, allowed = (60_000, 20) if chat == GROUP else (999, 1)
        assert most_within(moments, window) <= allowed
