"""Passes of events and passes made by hand are one list, read in pages and filtered as they are."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx
import pytest

from cloud import gatekeeping
from cloud.contract import Event, Label, PassPage, PassRecord, PassSource, PassStatus, Role
from cloud.store import Store, keyspace, now
from tests.cloud import door
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.api.routes.test_passes import issue, redeem
from tests.cloud.conftest import GATE, OTHER_GATE, Login
from tests.doubles.redis_server import RedisServer

Make = Callable[..., Event]
MINUTES = timedelta(minutes=5)


def by_hand(store: Store, gate_id: str = GATE, lifetime: timedelta = MINUTES) -> UUID:
    gate = store.gates.get(gate_id)
    assert gate is not None
    maker = gatekeeping.PassIssuer("account:Ana")
    issued = gatekeeping.issue_manual_pass(
        store, gate, maker, reason="a courier", lifetime=lifetime, now=now()
    )
    assert issued is not None
    return issued.id


def page(client: httpx.Client, **asked: Any) -> PassPage:
    answer = client.get("/v1/passes", params=asked)
    assert answer.status_code == 200, answer.text
    return PassPage.model_validate_json(answer.content)


def listed(client: httpx.Client, **asked: Any) -> list[UUID]:
    return [held.id for held in page(client, **asked).items]


def test_passes_of_both_kinds_are_listed_newest_first_without_their_tokens(
    operator: httpx.Client, store: Store, make_event: Make
) -> None:
    event = make_event()
    first = issue(store, event, MINUTES)
    issue_nothing(store, make_event(Label.WITHOUT_MASK))
    second = by_hand(store)
    third = issue(store, make_event(), MINUTES)
    answer = operator.get("/v1/passes")
    assert first.token not in answer.text
    assert third.token not in answer.text
    items = PassPage.model_validate_json(answer.content).items
    assert [held.id for held in items] == [third.id, second, first.id]
    assert (items[2].event_id, items[2].made_by, items[2].reason) == (event.id, None, None)
    assert (items[1].event_id, items[1].made_by) == (None, "account:Ana")
    assert items[1].reason == "a courier"


def issue_nothing(store: Store, event: Event) -> None:
    answer = door.accept(
        store, event, gate=GATE, device_id="camera", pass_lifetime=MINUTES, now=now()
    )
    assert answer.decision.issued_pass is None


def test_passes_are_filtered_by_what_they_are_now(
    operator: httpx.Client, login: Login, store: Store, make_event: Make
) -> None:
    expired = by_hand(store, lifetime=-timedelta(seconds=1))
    redeemed = issue(store, make_event(), MINUTES)
    scanner = login(Role.SCANNER, GATE)
    redeem(scanner, redeemed.token)
    revoked, issued = by_hand(store), issue(store, make_event(), MINUTES).id
    assert operator.delete(f"/v1/passes/{revoked}").status_code == 204
    for status, found in (
        ("issued", issued),
        ("expired", expired),
        ("redeemed", redeemed.id),
        ("revoked", revoked),
    ):
        assert listed(operator, status=status) == [found]
    assert listed(operator, source="by_hand") == [revoked, expired]
    assert listed(operator, source="event") == [issued, redeemed.id]
    assert listed(operator, source="event", status="revoked") == []
    (used,) = page(operator, status="redeemed").items
    assert used.redeemed_by == scanner.headers["Authorization"].split("_")[1]
    assert used.redeemed_gate == GATE
    (taken,) = page(operator, status="revoked").items
    assert taken.revoked_at is not None
    # A pass that is good now has expired later, without anything written about it.
    later, _ = store.pass_index.page(now=now() + timedelta(hours=1), status=PassStatus.EXPIRED)
    assert [held.id for held in later] == [issued, expired]


def test_passes_are_filtered_by_gate_and_time(operator: httpx.Client, store: Store) -> None:
    here, there = by_hand(store), by_hand(store, OTHER_GATE)
    assert listed(operator, gate=GATE) == [here]
    assert listed(operator) == [there, here]
    soon, ago = now() + timedelta(minutes=1), now() - timedelta(minutes=1)
    assert listed(operator, since=soon.isoformat()) == listed(operator, until=ago.isoformat()) == []
    assert listed(operator, since=ago.isoformat(), until=soon.isoformat()) == [there, here]
    for wrong in ({"status": "good"}, {"source": "x"}, {"before": "x"}, {"limit": 0}):
        answer = operator.get("/v1/passes", params=wrong)
        assert (answer.status_code, code_of(answer)) == (422, "malformed_request")


def in_pages(read: Callable[..., PassPage], limit: int) -> list[UUID]:
    seen: list[UUID] = []
    before: dict[str, str] = {}
    for _ in range(100):
        part = read(limit=limit, **before)
        assert len(part.items) <= limit
        seen += [held.id for held in part.items]
        if part.next is None:
            return seen
        before = {"before": part.next}
    raise AssertionError("the list has no end")


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
@pytest.mark.parametrize("asked", [{}, {"status": "issued"}, {"gate": GATE}])
def test_every_pass_is_on_one_page(
    operator: httpx.Client, store: Store, make_event: Make, limit: int, asked: dict[str, str]
) -> None:
    made: list[UUID] = []
    for kind in "eehhhehe":
        made.append(by_hand(store) if kind == "h" else issue(store, make_event(), MINUTES).id)
        issue_nothing(store, make_event(Label.WITHOUT_MASK))
    assert in_pages(lambda **more: page(operator, **asked, **more), limit) == made[::-1]


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_passes_of_one_moment_are_all_listed(
    store: Store, make_event: Make, redis_server: RedisServer, limit: int
) -> None:
    """Entries of the two streams may have the same id; none is lost between two pages."""
    events = [make_event() for _ in range(3)]
    of_events = [issue(store, event, MINUTES).id for event in events]
    of_hands = [by_hand(store) for _ in range(3)]
    with redis_server.client() as client:
        client.delete(keyspace.events(), keyspace.manual_passes())
        for at, (event, pass_id) in enumerate(zip(events, of_hands, strict=True)):
            entry_id = f"1772439330412-{at}"
            client.xadd(keyspace.events(), {"id": str(event.id), "access": "granted"}, id=entry_id)
            client.xadd(keyspace.manual_passes(), {"id": str(pass_id)}, id=entry_id)

    def read(**asked: Any) -> PassPage:
        items, read_on = store.pass_index.page(now=now(), **asked)
        return PassPage(items=items, next=read_on)

    assert in_pages(read, limit) == [*of_hands[::-1], *of_events[::-1]]
    assert in_pages(lambda **more: read(source=PassSource.EVENT, **more), limit) == of_events[::-1]
    moment = datetime.fromtimestamp(1772439330.412, UTC)
    assert len(read(since=moment).items) == 6
    assert read(until=moment).items == []


def test_who_made_a_pass_and_why_is_not_for_a_screen(
    operator: httpx.Client, login: Login, store: Store
) -> None:
    pass_id = by_hand(store)

    def seen(client: httpx.Client) -> PassRecord:
        answer = client.get(f"/v1/passes/{pass_id}")
        return PassRecord.model_validate_json(answer.content)

    assert (seen(operator).made_by, seen(operator).reason) == ("account:Ana", "a courier")
    assert (seen(login(Role.KIOSK)).made_by, seen(login(Role.KIOSK)).reason) == (None, None)


def test_a_viewer_of_one_gate_lists_its_passes_alone(login: Login, store: Store) -> None:
    by_hand(store)
    there = by_hand(store, OTHER_GATE)
    bound = login(Role.VIEWER, OTHER_GATE)
    assert listed(bound) == [there]
    assert code_of(bound.get("/v1/passes", params={"gate": GATE})) == "gate_forbidden"


def test_passes_made_by_hand_are_purged_and_erased(
    operator: httpx.Client, store: Store, redis_server: RedisServer
) -> None:
    by_hand(store)
    kept = by_hand(store, OTHER_GATE)
    store.erasure.gate(GATE)
    assert listed(operator) == [kept]
    with redis_server.client() as client:
        assert client.keys(keyspace.pass_("*")) == [keyspace.pass_(kept).encode()]
        assert client.keys(keyspace.manual_passes(GATE)) == []
    store.retention.purge(now() + timedelta(days=2), timedelta(days=1), ZoneInfo("UTC"))
    assert listed(operator) == []
    with redis_server.client() as client:
        assert client.xlen(keyspace.manual_passes()) == 0
