"""A bot that lost its connection starts again after a pause, or ends its process."""

import pytest
from telegram.error import InvalidToken, NetworkError

from cloud.bot.receiving.connection_watchdog import ConnectionLost
from cloud.bot.restart_backoff import LONGEST_PAUSE_S, TOKEN_REFUSED_FOR_S, RestartBackoff


class Clock:
    now = 500.0

    def __call__(self) -> float:
        return self.now


def lost(*, refused: bool = False, was_connected: bool = False) -> ConnectionLost:
    error = ConnectionLost("for a test", token_refused=refused)
    error.was_connected = was_connected
    return error


def test_pauses_double_until_the_connection_stood_again() -> None:
    backoff = RestartBackoff(Clock())
    pauses = [backoff.pause_after(lost()) for _ in range(7)]
    assert pauses == [1, 2, 4, 8, 16, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert backoff.pause_after(lost(was_connected=True)) == 1


def test_a_failed_start_ends_the_process_unless_the_bot_has_worked_before() -> None:
    backoff = RestartBackoff(Clock())
    with pytest.raises(NetworkError):
        backoff.pause_after(NetworkError("nobody there"))
    backoff.pause_after(lost())
    assert backoff.pause_after(NetworkError("nobody there")) == 2
    assert backoff.pause_after(InvalidToken("Unauthorized")) == 4


def test_a_token_that_is_refused_for_good_ends_the_process() -> None:
    clock = Clock()
    backoff = RestartBackoff(clock)
    backoff.pause_after(lost(refused=True))
    clock.now += TOKEN_REFUSED_FOR_S
    backoff.pause_after(InvalidToken("Unauthorized"))
    clock.now += 1
    with pytest.raises(InvalidToken):
        backoff.pause_after(lost(refused=True))


def test_another_fault_in_between_starts_the_time_of_refusal_again() -> None:
    clock = Clock()
    backoff = RestartBackoff(clock)
    for _ in range(5):
        clock.now += TOKEN_REFUSED_FOR_S / 2
        backoff.pause_after(lost(refused=True))
        backoff.pause_after(NetworkError("nobody there"))
