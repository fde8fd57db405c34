from collections.abc import Callable
from datetime import timedelta

import pytest

from cloud.contract import Access, Event, Label
from cloud.store import Store, keyspace, now, streams
from tests.cloud import door
from tests.cloud.conftest import GATE
from tests.doubles.redis_server import RedisServer

Make = Callable[..., Event]


def accept(store: Store, event: Event, ago: timedelta = timedelta()) -> None:
    door.accept(
        store,
        event,
        gate=GATE,
        device_id="camera",
        pass_lifetime=timedelta(minutes=5),
        now=now() - ago,
    )


def test_everything_about_an_event_is_forgotten_after_its_retention(
    store: Store, make_event: Make, redis_server: RedisServer
) -> None:
    accept(store, make_event())
    month = timedelta(days=30).total_seconds()
    with redis_server.client() as client:
        for pattern in (keyspace.event("*"), keyspace.pass_("*"), keyspace.token("*")):
            (key,) = client.keys(pattern)
            assert month - 60 < client.ttl(key) <= month


def test_an_entry_whose_record_is_gone_is_left_out(
    store: Store, make_event: Make, redis_server: RedisServer
) -> None:
    first, second = make_event(), make_event()
    accept(store, first)
    accept(store, second)
    with redis_server.client() as client:
        client.delete(keyspace.event(second.id))
    items, _ = store.events.page(
        gate=None, access=None, label=None, before=None, limit=9, now=now()
    )
    assert [item.id for item in items] == [first.id]


def test_a_filter_that_matches_little_gives_a_short_page_to_go_on_from(
    store: Store, make_event: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "BATCH", 4)
    monkeypatch.setattr(streams, "SCANNED_AT_MOST", 8)
    rare = make_event(Label.INCORRECT_MASK)
    accept(store, rare)
    for _ in range(20):
        accept(store, make_event(Label.WITHOUT_MASK))
    found, before, pages = [], None, 0
    while pages == 0 or before is not None:
        items, before = store.events.page(
            gate=GATE,
            access=Access.REFUSED,
            label=Label.INCORRECT_MASK,
            before=before,
            limit=5,
            now=now(),
        )
        found += items
        pages += 1
    assert [item.id for item in found] == [rare.id]
    assert pages == 3


def test_the_cursor_of_an_event_is_its_place_in_both_streams(
    store: Store, make_event: Make, redis_server: RedisServer
) -> None:
    event = make_event()
    accept(store, event)
    record = store.events.get(event.id, now())
    assert record is not None
    with redis_server.client() as client:
        for stream in (keyspace.events(), keyspace.events(GATE)):
            ((entry_id, _),) = client.xrange(stream)
            assert entry_id.decode() == record.cursor
