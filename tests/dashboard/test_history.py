"""The search of the history, page by page."""

from datetime import timedelta

import pytest

from cloud.contract import Access, DeliveryStatus, EventRecord
from dashboard.client import Client
from dashboard.history import (
    PAGES,
    EventFilter,
    Search,
    read_history,
    read_messages,
)
from tests.dashboard.cloud_double import CloudDouble

MINUTE = timedelta(minutes=1)


def test_the_newest_come_first_and_more_are_promised(cloud: CloudDouble, client: Client) -> None:
    events = [cloud.refuse() for _ in range(7)][::-1]
    some, all_of_them = (read_history(client, EventFilter(), limit) for limit in (3, 7))
    assert (some.items, some.more) == (events[:3], True)
    assert (all_of_them.items, all_of_them.more) == (events, False)


def test_a_period_is_found_among_older_and_newer_ones(cloud: CloudDouble, client: Client) -> None:
    ages = [n * MINUTE for n in range(250, 0, -1)]
    events = {age: cloud.refuse(ago=age) for age in ages}
    wanted = EventFilter(since=cloud.now() - 130.5 * MINUTE, until=cloud.now() - 119.5 * MINUTE)
    cloud.asked.clear()
    found = read_history(client, wanted, 50)
    assert found.items == [events[n * MINUTE] for n in range(120, 131)]
    assert (found.more, found.unfinished) == (False, False)
    assert len(cloud.asked) == 1  # the API looks at nothing outside of the period


def test_a_period_is_found_however_many_events_came_since(
    cloud: CloudDouble, client: Client
) -> None:
    old = [cloud.refuse(ago=timedelta(days=2)) for _ in range(50)][::-1]
    for _ in range(1_150):
        cloud.refuse()
    wanted = EventFilter(until=cloud.now() - timedelta(days=1))
    assert read_history(client, wanted, 50).items == old


def test_the_last_hour_ends_at_the_clouds_now(cloud: CloudDouble, client: Client) -> None:
    cloud.refuse(ago=61 * MINUTE)
    within = cloud.refuse(ago=59 * MINUTE)
    assert read_history(client, EventFilter(last=60 * MINUTE), 5).items == [within]


def test_short_pages_are_read_on(cloud: CloudDouble, client: Client) -> None:
    granted = cloud.grant()
    for _ in range(4):
        cloud.refuse()
    cloud.looks_at_most = 2
    found = read_history(client, EventFilter(access=Access.GRANTED), 10)
    assert (found.items, found.more, found.unfinished) == ([granted], False, False)


def test_a_rare_match_is_found_by_and_by_while_new_ones_go_on_top(
    cloud: CloudDouble, client: Client
) -> None:
    rare = cloud.grant()
    for _ in range(4 * PAGES):
        cloud.refuse()
    cloud.looks_at_most = 1
    wanted, search = EventFilter(access=Access.GRANTED), Search[EventRecord]()
    first = read_history(client, wanted, 10, search)
    assert (first.items, first.unfinished, search.pages) == ([], True, PAGES)
    newest = cloud.grant()
    while (found := read_history(client, wanted, 10, search)).unfinished:
        assert found.items == [newest]
    assert found.items == [newest, rare]
    assert search.pages <= 4 * PAGES


def test_a_search_stops_at_its_bound_and_goes_on_when_told(
    cloud: CloudDouble, client: Client
) -> None:
    rare = cloud.grant()
    for _ in range(4 * PAGES):
        cloud.refuse()
    cloud.looks_at_most = 1
    wanted, search = EventFilter(access=Access.GRANTED), Search[EventRecord](allowed=PAGES + 1)
    while not search.stopped:
        found = read_history(client, wanted, 10, search)
        assert (found.items, found.unfinished) == ([], True)
    asked = len(cloud.asked)
    assert read_history(client, wanted, 10, search).unfinished
    assert len(cloud.asked) - asked == PAGES  # the newest only
    search.go_on()
    while (found := read_history(client, wanted, 10, search)).unfinished:
        assert not search.stopped
    assert found.items == [rare]


def test_what_left_a_moving_period_is_no_longer_shown(cloud: CloudDouble, client: Client) -> None:
    ageing = cloud.grant(ago=59 * MINUTE)
    for _ in range(PAGES + 1):
        cloud.refuse()
    cloud.looks_at_most = 1
    wanted = EventFilter(access=Access.GRANTED, last=60 * MINUTE)
    search = Search[EventRecord]()
    assert read_history(client, wanted, 10, search).items == [ageing]
    cloud.ahead = 2 * MINUTE
    client.gates()  # tells the time
    assert read_history(client, wanted, 10, search).items == []


@pytest.mark.parametrize(
    ("subject", "later", "serves"),
    [("a", MINUTE / 2, True), ("b", MINUTE / 2, False), ("a", 2 * MINUTE, False)],
)
def test_a_search_serves_its_own_subject_while_it_is_fresh(
    cloud: CloudDouble, subject: str, later: timedelta, serves: bool
) -> None:
    search = Search[EventRecord]("a", drawn_at=cloud.now())
    assert search.serves(subject, cloud.now() + later) is serves


def test_another_gates_events_stay_out(cloud: CloudDouble, client: Client) -> None:
    here, there = cloud.refuse(gate="main"), cloud.refuse(gate="ward-2")
    assert read_history(client, EventFilter(gate="main"), 5).items == [here]
    assert read_history(client, EventFilter(), 5).items == [there, here]


def test_messages_by_state(cloud: CloudDouble, client: Client) -> None:
    event = cloud.grant()
    failed = cloud.deliver(event, status=DeliveryStatus.FAILED)
    cloud.deliver(event)
    assert read_messages(client, "main", DeliveryStatus.FAILED, 5).items == [failed]
    assert read_messages(client, "main", None, 1).more is True
