import itertools

from edge.capture.arrival import Arrivals


def old_ones(times: list[float]) -> list[bool]:
    arrivals = Arrivals()
    return [arrivals.is_old(each) for each in times]


def steady(begin: float, count: int, interval: float = 1 / 15) -> list[float]:
    return [begin + i * interval for i in range(count)]


def test_the_pictures_of_a_camera_at_its_own_pace_are_new() -> None:
    jitter = itertools.cycle([0.0, 0.03, -0.02, 0.01])
    times = [each + next(jitter) for each in steady(10, 100)]
    assert not any(old_ones(times))


def test_a_camera_of_one_picture_in_three_seconds_is_no_silent_camera() -> None:
    assert not any(old_ones(steady(10, 20, interval=3.0)))


def test_what_a_decoder_still_held_when_its_stream_stopped_is_old() -> None:
    before = steady(10, 60)
    flushed = steady(before[-1] + 8.02, 3, interval=0.002)
    assert old_ones(before + flushed)[60:] == [True] * 3


def test_what_a_network_held_back_is_old_and_what_follows_is_new() -> None:
    before = steady(10, 60)
    burst = steady(before[-1] + 4, 50, interval=0.008)
    after = steady(burst[-1] + 1 / 15, 10)
    assert old_ones(before + burst + after)[60:] == [True] * 50 + [False] * 10


def test_a_camera_that_returns_at_another_pace_is_new_after_two_seconds() -> None:
    before = steady(10, 60, interval=0.5)
    faster = steady(before[-1] + 8, 100, interval=0.05)
    found = old_ones(before + faster)[60:]
    assert found[0]
    assert not any(found[41:])
