"""Reading back through the pages."""

from datetime import timedelta

from cloud.contract import Access, DeliveryStatus
from dashboard.client import Client
from dashboard.history import PAGES, EventFilter, read_history, read_messages
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
    assert found.more is False
    assert len(cloud.asked) == 2  # the search ends where the period does


def test_short_pages_are_read_on(cloud: CloudDouble, client: Client) -> None:
    granted = cloud.grant()
    for _ in range(4):
        cloud.refuse()
    cloud.looks_at_most = 2
    found = read_history(client, EventFilter(access=Access.GRANTED), 10)
    assert (found.items, found.more) == ([granted], False)


def test_a_search_that_was_cut_short_says_so(cloud: CloudDouble, client: Client) -> None:
    cloud.grant()
    for _ in range(PAGES + 1):
        cloud.refuse()
    cloud.looks_at_most = 1
    found = read_history(client, EventFilter(access=Access.GRANTED), 10)
    assert (found.items, found.more) == ([], True)


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
