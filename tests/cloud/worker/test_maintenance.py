"""Purges, warnings and lost jobs: one worker of all does them, now and then."""

from collections.abc import Callable
from datetime import timedelta

from structlog.testing import capture_logs

from cloud.contract import Event, Label, Role
from cloud.settings import Settings
from cloud.store import Store, keyspace, mint, now
from cloud.worker.maintenance import UPKEEP, purge, purge_if_due, warn_of_expiries
from tests.cloud.builders import accept, subscribe
from tests.cloud.conftest import GATE, OTHER_GATE
from tests.doubles.redis_server import RedisServer

Make = Callable[..., Event]


def accept_old(store: Store, event: Event, gate: str, ago: timedelta) -> None:
    """Accept an event as it would have been then, under a retention that was longer."""
    subscribe(store, gate=gate)
    then = now() - ago
    event = event.model_copy(update={"first_seen_at": then, "occurred_at": then})
    accept(store, event, gate=gate, at=then)


def test_records_past_their_retention_are_removed_and_younger_ones_stay(
    store: Store, settings: Settings, make_event: Make, redis_server: RedisServer
) -> None:
    young, old, quiet = make_event(), make_event(), make_event(Label.WITHOUT_MASK)
    accept_old(store, old, GATE, timedelta(days=10))
    accept_old(store, quiet, OTHER_GATE, timedelta(days=10))
    accept_old(store, young, GATE, timedelta(days=1))
    removed = purge(store, settings, days=7)
    assert (removed.events, removed.passes, removed.deliveries) == (2, 1, 2)
    assert (removed.tokens, removed.quarters) == (1, 2)
    moment = now()
    assert store.events.get(old.id, moment) is None
    record = store.events.get(young.id, moment)
    assert record is not None
    assert record.pass_record is not None
    with redis_server.client() as client:
        assert len(client.keys(keyspace.token("*"))) == 1
        assert len(client.keys(keyspace.delivery("*"))) == 1
    again = purge(store, settings, days=7)
    assert (again.events, again.passes, again.deliveries, again.tokens) == (0, 0, 0, 0)
    entry = store.audit.page()[0][-1]
    assert entry.act == "store.purged"
    assert "2 events, 1 passes" in entry.reason


def test_a_silent_gates_stream_is_trimmed_too(
    store: Store, settings: Settings, redis_server: RedisServer
) -> None:
    with redis_server.client() as client:
        for stream in (
            keyspace.events(),
            keyspace.events(OTHER_GATE),
            keyspace.deliveries(OTHER_GATE),
        ):
            client.xadd(stream, {"id": "x"}, id="1000-0")
        purge(store, settings)
        for stream in (
            keyspace.events(),
            keyspace.events(OTHER_GATE),
            keyspace.deliveries(OTHER_GATE),
        ):
            assert client.xlen(stream) == 0


def test_one_worker_of_all_purges_once_a_day(store: Store, settings: Settings) -> None:
    assert [purge_if_due(store, settings) for _ in range(3)] == [True, False, False]
    assert [entry.actor for entry in store.audit.page()[0]] == [UPKEEP]


def test_a_purge_that_broke_off_is_done_again(
    store: Store, settings: Settings, redis_server: RedisServer
) -> None:
    with redis_server.client() as client:
        client.hset(keyspace.delivery("x"), "delivery", "this is no delivery")
        assert not purge_if_due(store, settings)
        client.delete(keyspace.delivery("x"))
    assert purge_if_due(store, settings)


def test_a_key_that_expires_within_a_week_is_warned_of(store: Store) -> None:
    at = now()
    for name, days in (("over", -1), ("soon", 6), ("later", 8), ("revoked", 1), ("old", 1)):
        key = mint(name, Role.VIEWER, None, expires_at=at + timedelta(days=days)).stored
        changes = {"revoked": name == "revoked", "replaced_by": "x" if name == "old" else None}
        store.keys.add(key.model_copy(update=changes))
    store.keys.add(mint("never", Role.VIEWER, None).stored)
    with capture_logs() as logs:
        warn_of_expiries(store, at)
    assert [(log["event"], log["key_name"]) for log in logs] == [("key_expires_soon", "soon")]
