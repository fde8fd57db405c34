"""Times as the viewer's wall clock shows them."""

from datetime import UTC, datetime

import pytest

from dashboard.wording.clock import LocalClock

NOW = datetime(2026, 7, 14, 22, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "moment", "shown"),
    [
        ("Europe/Madrid", datetime(2026, 7, 14, 22, 15, 3, tzinfo=UTC), "00:15:03"),
        ("Europe/Madrid", datetime(2026, 7, 14, 21, 15, 3, tzinfo=UTC), "14 Jul 23:15:03"),
        ("America/New_York", datetime(2026, 7, 14, 21, 15, 3, tzinfo=UTC), "17:15:03"),
        ("Asia/Kolkata", datetime(2025, 12, 31, 18, 30, tzinfo=UTC), "1 Jan 00:00:00"),
        ("UTC", datetime(2025, 12, 31, 18, 30, tzinfo=UTC), "31 Dec 2025 18:30:00"),
    ],
)
def test_today_needs_no_date(zone: str, moment: datetime, shown: str) -> None:
    assert LocalClock.of(zone, NOW).at(moment) == shown


@pytest.mark.parametrize("zone", [None, "", "Mars/Olympus_Mons", "../../etc/passwd"])
def test_an_unknown_zone_is_said_to_be_the_servers(zone: str | None) -> None:
    clock = LocalClock.of(zone, NOW)
    assert "the server's zone" in clock.name
    assert clock.local(NOW) == NOW


def test_a_wall_time_becomes_its_moment() -> None:
    clock = LocalClock.of("Europe/Madrid", NOW)
    assert clock.moment(datetime(2026, 7, 15, 0, 30)) == NOW
    assert clock.moment(None) is None


def test_utc_is_written_in_full() -> None:
    assert LocalClock.utc(NOW) == "2026-07-14 22:30:00 UTC"
