"""A flood of one sender, or of all unknown senders, is cut off; staff and visitors go on."""

import pytest

from cloud.bot.receiving.flood_control import (
    KNOWN,
    UNKNOWN,
    UNKNOWN_WAITING,
    FloodControl,
    FloodDecision,
)


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        """Go on a little at each look, as a clock does."""
        self.now += 0.001
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def control(clock: Clock) -> FloodControl:
    return FloodControl(clock)


def test_the_flood_of_one_sender_is_cut_off_with_one_notice(control: FloodControl) -> None:
    decisions = [control.accept("1", "1", known=False) for _ in range(60)]
    assert decisions[: UNKNOWN.waiting] == [FloodDecision.ACCEPTED] * UNKNOWN.waiting
    assert decisions[UNKNOWN.waiting] is FloodDecision.DROPPED_WITH_NOTICE
    assert set(decisions[UNKNOWN.waiting + 1 :]) == {FloodDecision.DROPPED}
    assert control.accept("2", "2", known=False) is FloodDecision.ACCEPTED
    assert control.accept("1", "another in this group", known=False) is FloodDecision.ACCEPTED


def test_a_sender_may_send_again_once_the_updates_are_handled(control: FloodControl) -> None:
    for _ in range(UNKNOWN.waiting):
        assert control.accept("1", "1", known=False) is FloodDecision.ACCEPTED
    for _ in range(UNKNOWN.waiting):
        control.release("1", "1", known=False)
    assert control.accept("1", "1", known=False) is FloodDecision.ACCEPTED


def test_a_sender_may_send_a_limited_number_in_a_minute(
    control: FloodControl, clock: Clock
) -> None:
    def accepted_in(seconds: int) -> int:
        count = 0
        for _ in range(seconds):
            clock.now += 1
            if control.accept("1", "1", known=False) is FloodDecision.ACCEPTED:
                control.release("1", "1", known=False)
                count += 1
        return count

    assert UNKNOWN.burst <= accepted_in(60) <= UNKNOWN.burst + UNKNOWN.per_minute
    assert accepted_in(60) in range(UNKNOWN.per_minute - 1, UNKNOWN.per_minute + 2)


def test_a_guard_may_have_more_updates_waiting(control: FloodControl) -> None:
    decisions = [control.accept("1", "1", known=True) for _ in range(KNOWN.waiting + 1)]
    assert decisions.count(FloodDecision.ACCEPTED) == KNOWN.waiting


def test_unknown_senders_together_fill_only_their_places(control: FloodControl) -> None:
    decisions = [control.accept(str(chat), str(chat), known=False) for chat in range(1_500)]
    assert decisions.count(FloodDecision.ACCEPTED) == UNKNOWN_WAITING
    assert control.accept("guard", "guard", known=True) is FloodDecision.ACCEPTED
