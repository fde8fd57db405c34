from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest

from cloud.contract import Access, Event, Label, Role, StatisticsPage
from cloud.store import Store, now
from cloud.store.reports import statistics
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.conftest import GATE, OTHER_GATE, Login, posted
from tests.doubles.redis_server import RedisServer

Count = Callable[..., None]
Make = Callable[..., Event]
GRANTED = statistics.judged(Access.GRANTED, Label.WITH_MASK)
REFUSED = statistics.judged(Access.REFUSED, Label.WITHOUT_MASK)


@pytest.fixture
def count(redis_server: RedisServer, store: Store) -> Count:
    def raise_counter(at: datetime, name: str, by: int = 1, gate: str = GATE) -> None:
        with redis_server.client() as client:
            client.hincrby(*statistics.cell(gate, at, name), by)

    return raise_counter


def read(client: httpx.Client, **query: str) -> StatisticsPage:
    answer = client.get("/v1/stats", params=query)
    assert answer.status_code == 200, answer.text
    return StatisticsPage.model_validate_json(answer.content)


def test_what_happened_is_added_up_by_hour(operator: httpx.Client, count: Count) -> None:
    eight = datetime(2026, 3, 2, 8, tzinfo=UTC)
    count(eight, GRANTED, 6)
    count(eight + timedelta(minutes=30), REFUSED, 2)
    count(eight + timedelta(minutes=30), "redeemed", 5)
    for seconds in (1.0, 2.0, 40.0):
        count(eight + timedelta(minutes=59), statistics.drawn(seconds))
    count(eight + timedelta(hours=1), REFUSED)
    count(eight, GRANTED, 3, OTHER_GATE)
    read_page = read(operator, since="2026-03-02T00:00:00Z", until="2026-03-03T00:00:00Z")
    assert [(row.gate, row.start.hour, row.events) for row in read_page.items] == [
        (OTHER_GATE, 8, 3),
        (GATE, 8, 8),
        (GATE, 9, 1),
    ]
    row = read_page.items[1]
    assert (row.granted, row.refused, row.redeemed) == (6, 2, 5)
    assert row.labels == {Label.WITH_MASK: 6, Label.WITHOUT_MASK: 2, Label.INCORRECT_MASK: 0}
    assert row.compliance_rate == 0.75
    assert row.throughput_per_hour == 8
    assert row.peak_per_hour == 24
    assert row.end == eight + timedelta(hours=1)
    assert row.face_to_qr is not None
    assert row.face_to_qr.count == 3
    assert row.face_to_qr.p50_s == pytest.approx(2, rel=0.02)
    assert read_page.total.events == 12
    assert read_page.total.throughput_per_hour == 0.5
    assert read_page.total.gate is None


@pytest.mark.parametrize(
    ("zone", "starts"),
    [
        ("UTC", ["2026-03-01T00:00", "2026-03-02T00:00"]),
        ("Asia/Kathmandu", ["2026-03-01T18:15"]),
        ("America/New_York", ["2026-03-01T05:00"]),
    ],
)
def test_days_are_those_of_the_zone_that_is_asked_for(
    operator: httpx.Client, count: Count, zone: str, starts: list[str]
) -> None:
    count(datetime(2026, 3, 1, 18, 15, tzinfo=UTC), GRANTED)
    count(datetime(2026, 3, 2, 4, 45, tzinfo=UTC), GRANTED)
    rows = read(
        operator, by="day", since="2026-02-20T00:00:00Z", until="2026-03-10T00:00:00Z", tz=zone
    ).items
    assert [f"{row.start:%Y-%m-%dT%H:%M}" for row in rows] == starts


def test_a_day_when_clocks_change_has_another_length(operator: httpx.Client, count: Count) -> None:
    count(datetime(2026, 3, 29, 12, tzinfo=UTC), GRANTED, 23)
    (row,) = read(
        operator,
        by="day",
        since="2026-03-28T00:00:00Z",
        until="2026-03-31T00:00:00Z",
        tz="Europe/Madrid",
    ).items
    assert row.end - row.start == timedelta(hours=23)
    assert row.throughput_per_hour == 1


def test_the_hour_that_comes_twice_is_two_rows(operator: httpx.Client, count: Count) -> None:
    for hour in (0, 1):
        count(datetime(2026, 10, 25, hour, 30, tzinfo=UTC), GRANTED)
    rows = read(
        operator,
        since="2026-10-24T22:00:00Z",
        until="2026-10-25T22:00:00Z",
        tz="Europe/Madrid",
    ).items
    assert [row.start.hour for row in rows] == [0, 1]


def test_days_past_the_retention_are_still_read(
    operator: httpx.Client, count: Count, store: Store
) -> None:
    day = datetime(2026, 3, 2, 8, tzinfo=UTC)
    count(day, GRANTED, 4)
    store.statistics.compact(day.replace(hour=0) + timedelta(days=1), ZoneInfo("UTC"))
    count(day, GRANTED)  # came late
    span = {"since": "2026-03-01T00:00:00Z", "until": "2026-03-05T00:00:00Z"}
    (row,) = read(operator, by="day", **span).items
    assert (row.events, row.start.day) == (5, 2)
    hours = read(operator, by="hour", **span)
    assert [row.end - row.start for row in hours.items] == [
        timedelta(days=1),
        timedelta(hours=1),
    ]
    assert hours.hours_kept_since > day


def test_an_event_that_is_posted_shows_at_once(
    device: httpx.Client, operator: httpx.Client, make_event: Make
) -> None:
    moment = now()
    event = make_event(first_seen_at=moment, occurred_at=moment)
    device.post("/v1/events", json=posted(event)).raise_for_status()
    total = read(operator, gate=GATE, until=(now() + timedelta(minutes=1)).isoformat()).total
    assert (total.events, total.granted, total.compliance_rate) == (1, 1, 1.0)


def test_an_event_that_came_too_late_counts_where_it_occurred_as_one_without_a_pass(
    device: httpx.Client, operator: httpx.Client, make_event: Make
) -> None:
    moment = now() - timedelta(hours=3)
    event = make_event(first_seen_at=moment, occurred_at=moment)
    device.post("/v1/events", json=posted(event)).raise_for_status()
    span = {"since": (moment - timedelta(minutes=15)).isoformat()}
    span["until"] = (moment + timedelta(minutes=15)).isoformat()
    total = read(operator, gate=GATE, **span).total
    assert (total.events, total.granted, total.refused) == (1, 0, 1)
    assert total.labels[Label.WITH_MASK] == 1
    assert total.compliance_rate == 1.0


def test_a_key_of_a_gate_reads_that_gate(login: Login, count: Count) -> None:
    count(now() - timedelta(hours=1), GRANTED)
    count(now() - timedelta(hours=1), GRANTED, 5, OTHER_GATE)
    viewer = login(Role.VIEWER, GATE)
    assert read(viewer).total.events == 1
    assert code_of(viewer.get("/v1/stats", params={"gate": OTHER_GATE})) == "gate_forbidden"


def test_nothing_counted_is_said_as_nothing(operator: httpx.Client) -> None:
    page = read(operator)
    assert page.items == []
    assert (page.total.events, page.total.compliance_rate, page.total.face_to_qr) == (0, None, None)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "2026-03-02T00:00:00Z", "until": "2026-03-01T00:00:00Z"}, "since"),
        ({"since": "2025-01-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"}, "since"),
        ({"by": "day", "since": "2020-01-01T00:00:00Z"}, "since"),
        ({"until": "0001-01-01T00:00:00Z"}, "until"),
        ({"tz": "Europe/Nowhere"}, "tz"),
        ({"tz": "../etc/passwd"}, "tz"),
        ({"tz": "Europe"}, "tz"),
        ({"by": "week"}, "by"),
        ({"since": "yesterday"}, "since"),
    ],
)
def test_a_query_that_cannot_be_answered_names_its_field(
    operator: httpx.Client, query: dict[str, str], field: str
) -> None:
    answer = operator.get("/v1/stats", params=query)
    assert answer.status_code == 422
    assert code_of(answer) == "malformed_request"
    assert answer.json()["errors"][0]["loc"] == ["query", field]


def test_a_gate_that_is_not_there_is_unknown(operator: httpx.Client) -> None:
    assert code_of(operator.get("/v1/stats", params={"gate": "nowhere"})) == "gate_unknown"
