from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.occurrence import AHEAD_AT_MOST, EARLIEST, Occurrence, sent_at

NOW = datetime(2026, 3, 2, 11, 15, 30, 412_000, tzinfo=UTC)
moments = st.datetimes(timezones=st.just(UTC))


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def test_without_a_date_the_door_is_taken_at_its_word() -> None:
    assert Occurrence.of(ago(hours=3), None, NOW).at == ago(hours=3)


@pytest.mark.parametrize("off", [timedelta(hours=-400), timedelta(minutes=7), timedelta(days=9)])
def test_an_error_of_the_doors_clock_cancels_out(off: timedelta) -> None:
    occurred = Occurrence.of(ago(seconds=90) + off, NOW + off, NOW)
    assert occurred.at == ago(seconds=90)
    assert occurred.late


def test_clocks_that_agree_but_for_the_seconds_fraction_are_equal() -> None:
    date = NOW.replace(microsecond=0)
    assert Occurrence.of(ago(seconds=0.2), date, NOW).at == ago(seconds=0.2)


@pytest.mark.parametrize(
    ("ahead", "at"),
    [(timedelta(seconds=5), NOW), (AHEAD_AT_MOST, NOW), (timedelta(seconds=60.1), None)],
)
def test_a_little_of_the_future_is_now_and_more_is_nobody_knows_when(
    ahead: timedelta, at: datetime | None
) -> None:
    assert Occurrence.of(NOW + ahead, None, NOW).at == at
    off = timedelta(days=3)
    assert Occurrence.of(NOW + off + ahead, NOW + off, NOW).at == at


@pytest.mark.parametrize(
    ("age_s", "delayed", "late"),
    [(0, False, False), (10, False, False), (11, True, False), (60, True, False), (61, True, True)],
)
def test_an_event_is_delayed_after_seconds_and_late_after_a_minute(
    age_s: float, delayed: bool, late: bool
) -> None:
    occurred = Occurrence.of(ago(seconds=age_s), None, NOW)
    assert (occurred.delayed, occurred.late) == (delayed, late)


@given(moments, st.none() | moments, st.datetimes(datetime(2000, 1, 1), timezones=st.just(UTC)))
def test_any_times_give_a_moment_that_has_been_or_none(
    occurred_at: datetime, date: datetime | None, now: datetime
) -> None:
    at = Occurrence.of(occurred_at, date, now).at
    assert at is None or EARLIEST <= at <= now


@pytest.mark.parametrize(
    "text",
    [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ],
)
def test_every_form_of_a_date_is_read(text: str) -> None:
    assert sent_at([text]) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    "dates",
    [
        [],
        [""],
        ["yesterday"],
        ["1994-11-06T08:49:37Z"],
        ["Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:38 GMT"],
        ["Sun, 99 Nov 1994 08:49:37 GMT"],
        ["Fri, 31 Dec 9999 23:59:59 -1400"],
        ["Sun, 06 Nov 99999999999999999999 08:49:37 GMT"],
    ],
)
def test_what_is_no_one_date_is_none(dates: list[str]) -> None:
    assert sent_at(dates) is None


@given(st.text())
def test_reading_any_text_gives_a_moment_or_none(text: str) -> None:
    found = sent_at([text])
    assert found is None or found.tzinfo is UTC
