from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cloud.contract import Gate
from cloud.notify.times import in_full, in_minutes, in_short, zone_at

SUMMER = datetime(2026, 7, 2, 22, 15, 30, tzinfo=UTC)
WINTER = datetime(2026, 1, 2, 8, 15, 30, tzinfo=UTC)
MADRID = ZoneInfo("Europe/Madrid")


@pytest.mark.parametrize(
    ("zone", "moment", "said"),
    [
        ("UTC", WINTER, "2026-01-02 08:15:30 UTC"),
        ("Europe/Madrid", WINTER, "2026-01-02 09:15:30 CET"),
        ("Europe/Madrid", SUMMER, "2026-07-03 00:15:30 CEST"),
        ("Asia/Kolkata", WINTER, "2026-01-02 13:45:30 IST"),
        ("America/Sao_Paulo", WINTER, "2026-01-02 05:15:30 UTC-03"),
    ],
)
def test_a_time_is_told_in_its_zone_and_names_it(zone: str, moment: datetime, said: str) -> None:
    assert in_full(moment, ZoneInfo(zone)) == said


def test_the_date_is_left_out_where_it_is_the_same_day_in_the_zone() -> None:
    an_hour_before = SUMMER.replace(hour=21)
    assert in_short(an_hour_before, UTC, SUMMER) == "21:15:30 UTC"
    # In Madrid midnight lies between the two.
    assert in_short(an_hour_before, MADRID, SUMMER) == "2026-07-02 23:15:30 CEST"
    assert in_minutes(SUMMER, MADRID, SUMMER) == "00:15 CEST"
    assert in_minutes(an_hour_before, MADRID, SUMMER) == "2026-07-02 23:15 CEST"
    assert in_minutes(SUMMER, MADRID) == "2026-07-03 00:15 CEST"


@pytest.mark.parametrize("year", [1, 9999])
def test_the_first_and_the_last_day_of_all_years_are_told_in_utc(year: int) -> None:
    end = datetime(year, 1, 1, tzinfo=UTC) if year == 1 else datetime(year, 12, 31, 23, tzinfo=UTC)
    zone = ZoneInfo("America/New_York" if year == 1 else "Asia/Tokyo")
    assert in_full(end, zone).endswith("UTC")


@pytest.mark.parametrize(
    ("own", "zone"),
    [(None, MADRID), ("America/Lima", ZoneInfo("America/Lima")), ("Mars/Olympus_Mons", MADRID)],
)
def test_a_gates_own_zone_goes_before_the_servers(own: str | None, zone: ZoneInfo) -> None:
    gate = Gate(id="main", name="Main", created_at=WINTER, time_zone=own)
    assert zone_at(gate, MADRID) == zone
    assert zone_at(None, MADRID) == MADRID
