"""A store that is away is told of once, and once when it is back."""

from structlog.testing import capture_logs

from cloud.availability import REMIND_S, Availability
from cloud.errors import StoreUnavailable

AWAY = StoreUnavailable("connection refused")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_many_parts_that_try_again_and_again_make_two_lines() -> None:
    clock = Clock()
    availability = Availability(clock)
    with capture_logs() as lines:
        for _ in range(100):
            availability.lost("feed", AWAY)
            availability.lost("commands", AWAY)
        clock.now = 7.04
        availability.restored("feed")
        availability.restored("outages")
        availability.restored("commands")
        availability.restored("commands")
    told = [line for line in lines if line["log_level"] != "debug"]
    assert told == [
        {
            "event": "store_away",
            "log_level": "warning",
            "part": "feed",
            "error": "connection refused",
        },
        {"event": "store_back", "log_level": "info", "away_s": 7.0},
    ]


def test_the_next_time_is_told_of_again() -> None:
    availability = Availability(Clock())
    with capture_logs() as lines:
        for _ in range(2):
            availability.lost("feed", AWAY)
            availability.restored("feed")
    assert [line["event"] for line in lines] == ["store_away", "store_back"] * 2


def test_what_fails_meanwhile_is_mentioned_once_a_minute() -> None:
    clock = Clock()
    availability = Availability(clock)
    with capture_logs() as lines:
        for second in range(int(REMIND_S) * 2):
            clock.now = float(second)
            availability.mention(AWAY)
    warned = [line for line in lines if line["log_level"] == "warning"]
    assert [line["event"] for line in warned] == ["store_unavailable"] * 2
