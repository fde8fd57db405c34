"""People are told times in the zone of the gate, else in that of the server."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import httpx
import pytest

from cloud.bot.answering.chat_request import ChatRequest
from cloud.bot.answering.conversation import Conversation
from cloud.contract import Channel, Delivery, Event, Gate, Label, StaffRole
from cloud.store import Store, keyspace, now
from cloud.worker import jobs
from cloud.worker.context import JobContext
from cloud.worker.outages import detect
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.builders import Clock, Recorder, accept, subscribe
from tests.cloud.conftest import GATE, OTHER_GATE
from tests.cloud.worker.test_outages import beat, enrolled

Make = Callable[..., Event]
LIFETIME = timedelta(minutes=5)
WAIT = timedelta(minutes=10)
LIMA = ZoneInfo("America/Lima")
"""Five hours behind UTC all year round; the IANA database gives it no letters."""

TOKYO = ZoneInfo("Asia/Tokyo")


def zoned(store: Store, zone: str | None = "America/Lima") -> None:
    assert store.gates.change(GATE, {"time_zone": zone}) is not None


def told(store: Store) -> dict[str, Delivery]:
    kept, _ = store.deliveries.page(gate=GATE, status=None, before=None, limit=50)
    return {each.address: each for each in reversed(kept)}


def clock(moment: datetime, zone: ZoneInfo, form: str = "%H:%M:%S") -> str:
    return f"{moment.astimezone(zone):{form}} {'JST' if zone is TOKYO else 'UTC-05'}"


@pytest.mark.parametrize(("own", "zone"), [("America/Lima", LIMA), (None, TOKYO)])
def test_alerts_and_passes_are_told_in_the_gates_zone_else_the_servers(
    store: Store, make_event: Make, own: str | None, zone: ZoneInfo
) -> None:
    zoned(store, own)
    subscribe(store, Channel.TELEGRAM, "99")
    subscribe(store, Channel.EMAIL, "a@example.org")
    refused, granted = make_event(Label.WITHOUT_MASK), make_event()
    accept(store, refused, zone=TOKYO)
    said = told(store)
    assert clock(refused.occurred_at, zone) in said["99"].text
    day = clock(refused.occurred_at, zone, "%Y-%m-%d %H:%M:%S")
    assert day in said["a@example.org"].text
    store.visitors.join(GATE, "1", now(), WAIT)
    accept(store, granted, zone=TOKYO)
    assert f"until {clock(granted.occurred_at + LIFETIME, zone)}" in told(store)["1"].text


def test_mails_and_digests_are_told_in_the_gates_zone(store: Store, make_event: Make) -> None:
    zoned(store)
    subscribe(store, Channel.EMAIL, "a@example.org")
    mailbox, turned = Recorder(), Clock()
    jobs.set_context(JobContext(store, {Channel.EMAIL: mailbox}, None, turned, zone=TOKYO))
    events = [make_event(Label.WITHOUT_MASK) for _ in range(3)]
    for event in events:
        accept(store, event, zone=TOKYO)
    kept, _ = store.deliveries.page(gate=GATE, status=None, before=None, limit=50)
    # The first goes alone, and the others as one when its cooldown is over.
    for ahead in (timedelta(), timedelta(hours=1)):
        turned.ahead = ahead
        for delivery in kept:
            jobs.deliver(delivery.id)
    assert len(mailbox.sent) == 2
    shown = [mail.text + (mail.html or "") for mail in mailbox.sent]
    for event in events:
        moment = clock(event.occurred_at, LIMA, "%Y-%m-%d %H:%M:%S")
        (mail,) = [each for each in shown if str(event.id) in each]
        assert mail.count(moment) >= 2
        assert "JST" not in mail


def test_outages_are_told_in_the_gates_zone(store: Store) -> None:
    zoned(store)
    subscribe(store, Channel.TELEGRAM, "99")
    device, began = enrolled(store), now() - timedelta(minutes=5)
    beat(store, device, began)
    detect(store, timedelta(minutes=1), now(), TOKYO)
    assert clock(began, LIMA, "%Y-%m-%d %H:%M:%S") in told(store)["99"].text


@pytest.fixture
def conversation(store: Store) -> Conversation:
    return Conversation(store, WAIT, LIFETIME, zone=TOKYO)


def say(text: str, message_id: int = 1) -> ChatRequest:
    command, _, rest = text.removeprefix("/").partition(" ")
    return ChatRequest("604", "Op", "en", True, message_id, command, rest)


def test_the_bot_tells_times_in_the_gates_zone(
    conversation: Conversation, store: Store, make_event: Make
) -> None:
    zoned(store)
    answer = conversation.answer(say(f"/start gate_{store.visitors.code(GATE)}")) or ""
    until = now() + WAIT
    possible = {clock(until - timedelta(minutes=ago), LIMA, "%H:%M") for ago in (0, 1)}
    assert any(each in answer for each in possible)

    code = store.staff.new_code(GATE, StaffRole.OPERATOR, WAIT, now()).code
    assert store.staff.pair(code, "604", "Op", now()) is not None
    conversation.answer(say("/pass no mask fits", 2))
    assert "UTC-05" in told(store)["604"].text
    made = told(store)["604"].event_id
    token = store.passes.token(made)
    conversation.answer(say(f"/scan {token}", 3))
    used = conversation.answer(say(f"/scan {token}", 4)) or ""
    held = store.passes.get(made)
    assert held is not None
    assert held.redeemed_at is not None
    assert f"at {clock(held.redeemed_at, LIMA)} at Main entrance" in used
    muted = conversation.answer(say("/mute 2h", 5)) or ""
    assert "JST" in muted  # a chat's own, of no gate


# Over the API.


def test_a_gates_zone_is_set_changed_and_taken_away(operator: httpx.Client) -> None:
    new = {"id": "north", "name": "North", "time_zone": "Europe/Madrid"}
    made = operator.post("/v1/gates", json=new)
    assert (made.status_code, made.json()["time_zone"]) == (201, "Europe/Madrid")
    changed = operator.patch("/v1/gates/north", json={"time_zone": "Asia/Tokyo"})
    assert changed.json()["time_zone"] == "Asia/Tokyo"
    renamed = operator.patch("/v1/gates/north", json={"name": "Far north"})
    assert renamed.json()["time_zone"] == "Asia/Tokyo"
    unset = operator.patch("/v1/gates/north", json={"time_zone": None})
    assert unset.json()["time_zone"] is None


@pytest.mark.parametrize("zone", ["Mars/Olympus_Mons", "", "../etc/passwd", "Europe", 5, "x" * 65])
def test_a_zone_that_is_none_is_refused(operator: httpx.Client, zone: object) -> None:
    answer = operator.patch(f"/v1/gates/{OTHER_GATE}", json={"time_zone": zone})
    assert (answer.status_code, code_of(answer)) == (422, "malformed_request")
    new = {"id": "north", "name": "North", "time_zone": zone}
    assert operator.post("/v1/gates", json=new).status_code == 422


def test_a_gate_of_before_zones_is_told_in_the_servers(store: Store, make_event: Make) -> None:
    before = '{"id": "main", "name": "Main", "created_at": "2026-03-01T07:00:00Z", "closed": false}'
    store.client.hset(keyspace.GATES, GATE, before)
    gate = store.gates.get(GATE)
    assert gate == Gate(id=GATE, name="Main", created_at=datetime(2026, 3, 1, 7, tzinfo=UTC))
    subscribe(store, Channel.TELEGRAM, "99")
    event = make_event(Label.WITHOUT_MASK)
    accept(store, event, zone=TOKYO)
    assert clock(event.occurred_at, TOKYO) in told(store)["99"].text
