"""The limiter on a clock that the tests turn: no window may hold more than Telegram allows."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud.store import Store, now
from cloud.store.messages.telegram_limiter import TelegramLimiter
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
def limiter(store: Store, redis_server: RedisServer) -> Iterator[TelegramLimiter]:
    with Undying(port=redis_server.port) as client:
        yield TelegramLimiter(client)


def sent(
    limiter: TelegramLimiter, chats: Sequence[str], start_ms: float = START_MS
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


def test_the_fleet_sends_no_more_than_30_in_any_second_and_close_to_that(
    limiter: TelegramLimiter,
) -> None:
    went = sent(limiter, [str(chat) for chat in range(1, 151)])
    moments = [moment for each in went.values() for moment in each]
    assert len(moments) == 150
    assert most_within(moments, 1000) <= 30
    assert max(moments) - START_MS <= 150 / 25 * 1000


def test_a_chat_gets_one_a_second_in_order(limiter: TelegramLimiter) -> None:
    went = sent(limiter, [PRIVATE] * 10)
    assert most_within(went[PRIVATE], 999) == 1
    assert max(went[PRIVATE]) - START_MS <= 9_001


def test_a_group_gets_at_most_20_in_any_minute(limiter: TelegramLimiter) -> None:
    went = sent(limiter, [GROUP] * 60)
    assert len(went[GROUP]) == 60
    assert most_within(went[GROUP], 60_000) <= 20


def test_a_chat_that_waits_does_not_keep_the_others_waiting(limiter: TelegramLimiter) -> None:
    went = sent(limiter, [PRIVATE] * 20 + ["7"])
    assert went["7"] == [START_MS]


def test_a_message_that_comes_later_does_not_overtake_the_line(limiter: TelegramLimiter) -> None:
    take = limiter.take
    assert take(PRIVATE, "first", START_MS).total_seconds() == 0
    assert take(PRIVATE, "second", START_MS).total_seconds() == 1
    assert take(PRIVATE, "third", START_MS + 900).total_seconds() == 1.1
    # The second is late for its place by half a second, and is still before a newcomer.
    assert take(PRIVATE, "newcomer", START_MS + 1_500).total_seconds() == 1.5
    assert take(PRIVATE, "second", START_MS + 1_500).total_seconds() == 0
    # And the third then keeps its distance.
    assert take(PRIVATE, "third", START_MS + 2_000).total_seconds() == 0.5


def wait_s(limiter: TelegramLimiter, chat: str, at_ms: float) -> float:
    return limiter.take(chat, f"a message to {chat}", at_ms).total_seconds()


def test_a_chat_that_is_told_to_wait_an_hour_holds_itself_alone(limiter: TelegramLimiter) -> None:
    assert limiter.hold("1", 3600, START_MS) is False
    assert wait_s(limiter, "1", START_MS) == 3600
    assert wait_s(limiter, "2", START_MS) == 0
    assert wait_s(limiter, GROUP, START_MS) == 0
    assert wait_s(limiter, "1", START_MS + 3_599_000) == 1
    assert wait_s(limiter, "1", START_MS + 3_600_000) == 0


@pytest.mark.parametrize("chat", [PRIVATE, GROUP, "@the_door"])
def test_a_longer_hold_on_a_chat_stays(limiter: TelegramLimiter, chat: str) -> None:
    limiter.hold(chat, 7, START_MS)
    limiter.hold(chat, 3, START_MS)
    assert wait_s(limiter, chat, START_MS) == 7
    limiter.hold(chat, 9, START_MS + 1_000)
    assert wait_s(limiter, chat, START_MS + 1_000) == 9


def test_one_chat_told_again_and_again_does_not_hold_the_fleet(limiter: TelegramLimiter) -> None:
    for _ in range(10):
        assert limiter.hold("1", 30, START_MS) is False
    assert limiter.hold("2", 30, START_MS) is False
    assert wait_s(limiter, "3", START_MS) == 0


def test_three_chats_told_to_wait_within_a_minute_hold_the_fleet(limiter: TelegramLimiter) -> None:
    told = [("1", 3600, 0), ("2", 5, 1_000), (GROUP, 7, 59_000)]
    assert [limiter.hold(chat, asked, START_MS + at) for chat, asked, at in told] == [
        False,
        False,
        True,
    ]
    # For the shortest of what was asked: the hour is one chat's own.
    assert wait_s(limiter, "4", START_MS + 59_000) == 5
    assert wait_s(limiter, "4", START_MS + 64_000) == 0
    assert wait_s(limiter, GROUP, START_MS + 64_000) == 2
    assert wait_s(limiter, "1", START_MS + 64_000) == 3536


def test_three_chats_told_to_wait_over_more_than_a_minute_do_not_hold_the_fleet(
    limiter: TelegramLimiter,
) -> None:
    assert not any(limiter.hold(str(chat), 3600, START_MS + chat * 30_001) for chat in range(1, 9))
    assert wait_s(limiter, "9", START_MS + 9 * 30_000) == 0


def test_a_longer_hold_on_the_fleet_stays(limiter: TelegramLimiter) -> None:
    for chat in "123":
        limiter.hold(chat, 50, START_MS)
    assert limiter.hold("4", 2, START_MS)
    assert wait_s(limiter, "5", START_MS) == 50


@pytest.mark.parametrize(("asked", "kept"), [(1e9, 86_400), (-5, 0), (0, 0)])
def test_an_absurd_hold_is_cut_down(limiter: TelegramLimiter, asked: float, kept: float) -> None:
    limiter.hold("1", asked, START_MS)
    assert wait_s(limiter, "1", START_MS) == kept


def test_a_hold_on_a_chat_is_told_to_operators(store: Store) -> None:
    at = now()
    store.limiter.hold("1", 3600)
    until = store.limiter.held_until("1", at)
    assert until is not None
    assert timedelta(seconds=3590) < until - at <= timedelta(seconds=3600 + 10)
    assert store.limiter.held_until("2", at) is None
    assert store.limiter.held_chats(at) == 1
    assert store.limiter.held_chats(at + timedelta(hours=2)) == 0
    assert store.limiter.fleet_held_s(at) == 0
    for chat in "23":
        store.limiter.hold(chat, 100)
    assert 90 < store.limiter.fleet_held_s(at) <= 110


def test_on_the_clock_of_redis_the_first_goes_at_once(store: Store) -> None:
    began = time.monotonic()
    assert store.limiter.take(PRIVATE, "first").total_seconds() == 0
    wait_s = store.limiter.take(PRIVATE, "second").total_seconds()
    # To the limiter's millisecond, at either reading of the clock.
    assert max(1 - (time.monotonic() - began) - 0.01, 0) <= wait_s <= 1


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["1", "2", "3", GROUP]), min_size=1, max_size=40))
def test_whatever_comes_no_window_holds_too_many(
    store: Store, limiter: TelegramLimiter, chats: list[str]
) -> None:
    store.client.flushall()
    went = sent(limiter, chats)
    assert sum(len(each) for each in went.values()) == len(chats)
    assert most_within([moment for each in went.values() for moment in each], 1000) <= 30
    for chat, moments in went.items():
        window, allowed = (60_000, 20) if chat == GROUP else (999, 1)
        assert most_within(moments, window) <= allowed
