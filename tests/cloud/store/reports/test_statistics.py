from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import hypothesis
import pytest
from hypothesis import strategies as st

from cloud.contract import Access, Decision, Event, Label
from cloud.store import QUARTER, Attempt, Store, Tally, kept_in_quarters, keyspace, now
from cloud.store.reports import statistics
from tests.cloud import door
from tests.cloud.conftest import GATE
from tests.doubles.redis_server import RedisServer

Make = Callable[..., Event]
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NEPAL = ZoneInfo("Asia/Kathmandu")
"""5 h 45 min ahead of UTC: no whole number of hours, nor of halves."""


def accept(
    store: Store, event: Event, at: datetime = NOON, sent_at: datetime | None = None
) -> Decision:
    return door.accept(
        store,
        event,
        gate=GATE,
        device_id="camera",
        pass_lifetime=timedelta(minutes=5),
        now=at,
        sent_at=sent_at,
    ).decision


def happening(make_event: Make, at: datetime, label: Label = Label.WITH_MASK) -> Event:
    return make_event(label, first_seen_at=at - timedelta(seconds=1), occurred_at=at)


def raise_counter(server: RedisServer, at: datetime, name: str, by: int = 1) -> None:
    with server.client() as client:
        client.hincrby(*statistics.cell(GATE, at, name), by)


def test_an_event_is_counted_once_in_the_quarter_that_it_occurred_in(
    store: Store, make_event: Make
) -> None:
    event = happening(make_event, NOON - timedelta(minutes=1))
    for _ in range(3):
        accept(store, event)
    accept(store, happening(make_event, NOON - timedelta(hours=2), Label.WITHOUT_MASK))
    early, late = store.statistics.quarters(GATE, NOON - timedelta(days=1), NOON)
    assert early.start == NOON - timedelta(hours=2)
    assert early.events == {(Access.REFUSED, Label.WITHOUT_MASK): 1}
    assert (late.start, late.end) == (NOON - QUARTER, NOON)
    assert late.events == {(Access.GRANTED, Label.WITH_MASK): 1}


@pytest.mark.parametrize("wrong", [timedelta(hours=1), -timedelta(days=31)])
def test_an_event_of_a_wrong_clock_is_counted_when_it_was_accepted(
    store: Store, make_event: Make, wrong: timedelta
) -> None:
    accept(store, happening(make_event, NOON + wrong))
    (quarter,) = store.statistics.quarters(GATE, NOON, NOON + QUARTER)
    assert quarter.events.total() == 1


def test_a_redemption_is_counted_once_whatever_is_tried(store: Store, make_event: Make) -> None:
    moment = now()
    issued = accept(store, make_event(), moment).issued_pass
    assert issued is not None
    for nonce in ("first-try", "first-try", "second-try"):
        store.passes.redeem(Attempt(issued.token, GATE, nonce, "k", moment))
    since = moment - QUARTER
    tallies = store.statistics.quarters(GATE, since, moment + QUARTER)
    assert sum(tally.redeemed for tally in tallies) == 1


def test_the_time_from_face_to_code_is_counted_once(store: Store, make_event: Make) -> None:
    moment = now()
    event = happening(make_event, moment)
    accept(store, event, moment)
    record = store.events.get(event.id, moment)
    assert record is not None
    assert record.pass_record is not None
    held = store.passes.get(record.pass_record.id)
    assert held is not None
    for late in (1, 5):
        store.passes.keep_qr(held, b"png", moment + timedelta(seconds=late))
    tallies = store.statistics.quarters(GATE, moment - QUARTER, moment + QUARTER)
    total = Tally(moment, moment)
    for tally in tallies:
        total.add(tally)
    assert total.bins.total() == 1
    assert total.quantile_s(0.5) == pytest.approx(2, rel=statistics.ACCURACY)


def test_the_time_from_face_to_code_is_by_the_clouds_clock(store: Store, make_event: Make) -> None:
    moment = now()
    off = timedelta(hours=1)
    event = happening(make_event, moment + off)
    issued = accept(store, event, moment, sent_at=moment + off).issued_pass
    assert issued is not None
    held = store.passes.get(issued.id)
    assert held is not None
    store.passes.keep_qr(held, b"png", moment + timedelta(seconds=1))
    total = Tally(moment, moment)
    for tally in store.statistics.quarters(GATE, moment - QUARTER, moment + QUARTER):
        total.add(tally)
    assert total.quantile_s(0.5) == pytest.approx(2, rel=statistics.ACCURACY)


@hypothesis.given(
    st.lists(st.floats(min_value=0.001, max_value=1e5), min_size=1, max_size=200),
    st.sampled_from([0.0, 0.5, 0.95, 1.0]),
)
def test_quantiles_are_as_near_as_is_promised(seconds: list[float], share: float) -> None:
    tally = Tally(NOON, NOON)
    for each in seconds:
        tally.count(statistics.drawn(each), 1)
    true = sorted(seconds)[int(share * (len(seconds) - 1))]
    assert tally.quantile_s(share) == pytest.approx(true, rel=statistics.ACCURACY + 1e-9)


def test_without_a_duration_there_is_no_quantile() -> None:
    assert Tally(NOON, NOON).quantile_s(0.5) is None


def test_a_counter_of_a_newer_version_is_left_alone(
    store: Store, redis_server: RedisServer
) -> None:
    raise_counter(redis_server, NOON, "something:new")
    (tally,) = store.statistics.quarters(GATE, NOON, NOON + QUARTER)
    assert not tally.events
    assert tally.redeemed == 0


def test_past_the_retention_quarters_become_days_and_nothing_is_lost(
    store: Store, redis_server: RedisServer
) -> None:
    cut = kept_in_quarters(NOON, timedelta(days=1), NEPAL)
    assert cut == datetime(2026, 2, 28, 18, 15, tzinfo=UTC)
    moments = [cut + number * QUARTER for number in range(-200, 20)]
    for at in moments:
        raise_counter(redis_server, at, statistics.judged(Access.GRANTED, Label.WITH_MASK), 2)
        raise_counter(redis_server, at, statistics.drawn(1.5))
    assert store.statistics.compact(cut, NEPAL) == 200
    assert store.statistics.compact(cut, NEPAL) == 0
    since, until = cut - timedelta(days=9), cut + timedelta(days=9)
    days = store.statistics.days(GATE, since, until, NEPAL)
    assert [day.events.total() for day in days] == [2 * 8, 2 * 96, 2 * 96]
    assert [day.bins.total() for day in days] == [8, 96, 96]
    assert days[-1].end == cut
    quarters = store.statistics.quarters(GATE, since, until)
    assert [quarter.start for quarter in quarters] == moments[200:]

    # What is counted late joins the day that it belongs to.
    raise_counter(redis_server, moments[0], statistics.REDEEMED)
    assert store.statistics.compact(cut, NEPAL) == 1
    assert store.statistics.days(GATE, since, until, NEPAL)[0].redeemed == 1


def test_the_key_of_a_day_tells_gate_and_day() -> None:
    key = keyspace.quarters("back-door-2", date(2026, 3, 2))
    assert keyspace.of_quarters(key) == ("back-door-2", date(2026, 3, 2))
