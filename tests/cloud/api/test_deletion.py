"""A gate is deleted: nothing of it opens, tells or waits any more, and its history is read on."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from cloud import gatekeeping, invitations
from cloud.contract import (
    Channel,
    DeliveryStatus,
    EnrolmentRequest,
    Event,
    GateSettings,
    Label,
    Language,
    PassStatus,
    Role,
    StaffRole,
    Subscriber,
)
from cloud.errors import EnrolmentCodeInvalid, GateUnknown
from cloud.settings import Settings
from cloud.store import Store, StoredAccount, keyspace, mint, now, subscriber_id
from cloud.worker.context import JobContext
from cloud.worker.jobs import deliver, set_context
from cloud.worker.maintenance import purge
from tests.cloud.api.routes.test_events import code_of, post
from tests.cloud.builders import Recorder
from tests.cloud.conftest import GATE, OTHER_GATE, PASSWORD, Login

Make = Callable[..., Event]
PATH = f"/v1/gates/{GATE}"


@pytest.fixture
def admin(login: Login) -> httpx.Client:
    return login(Role.ADMIN)


def gates(client: httpx.Client) -> list[str]:
    return [gate["id"] for gate in client.get("/v1/gates").json()]


def acts(store: Store) -> set[str]:
    return {entry.act for entry in store.audit.page()[0]}


def subscribe(store: Store, gate: str = GATE, address: str = "42") -> str:
    made = Subscriber(
        id=subscriber_id(Channel.TELEGRAM, address),
        gate=gate,
        channel=Channel.TELEGRAM,
        address=address,
        created_at=now(),
    )
    return store.gates.subscribe(made).id


def test_an_empty_gate_is_deleted_once_and_for_all(admin: httpx.Client, store: Store) -> None:
    answer = admin.delete(PATH, params={"reason": "bricked up"})
    assert answer.status_code == 204
    assert gates(admin) == [OTHER_GATE]
    assert code_of(admin.delete(PATH)) == "gate_unknown"
    assert code_of(admin.patch(PATH, json={"name": "x"})) == "gate_unknown"
    again = admin.post("/v1/gates", json={"id": GATE, "name": "Main entrance"})
    assert (again.status_code, code_of(again)) == (409, "gate_exists")
    assert gates(admin) == [OTHER_GATE]
    (entry,) = store.audit.page()[0]
    assert (entry.act, entry.gate, entry.reason) == ("gate.deleted", GATE, "bricked up")
    assert entry.detail == 'name: "Main entrance"'


@pytest.mark.parametrize(
    ("role", "gate", "code"),
    [
        (Role.OPERATOR, None, "role_forbidden"),
        (Role.VIEWER, None, "role_forbidden"),
        (Role.ADMIN, GATE, "gate_forbidden"),
        (Role.ADMIN, OTHER_GATE, "gate_forbidden"),
    ],
)
def test_an_admin_of_all_gates_deletes_and_nobody_else(
    login: Login, role: Role, gate: str | None, code: str
) -> None:
    client = login(role, gate)
    answer = client.delete(PATH, params={"force": "true"})
    assert (answer.status_code, code_of(answer)) == (403, code)


Fill = Callable[[Store, Login, Callable[..., StoredAccount]], object]

IN_THE_WAY: dict[str, Fill] = {
    "1 device": lambda store, login, account: login(Role.DEVICE),
    "1 key": lambda store, login, account: login(Role.SCANNER, GATE),
    "1 account": lambda store, login, account: account("Ada", Role.VIEWER, GATE),
    "1 subscriber": lambda store, login, account: subscribe(store),
    "1 chat of staff": lambda store, login, account: staff(store),
    "1 waiting visitor": lambda store, login, account: store.visitors.join(
        GATE, "7", now(), timedelta(minutes=5)
    ),
    "1 pass that is still good": lambda store, login, account: by_hand(store),
}


def staff(store: Store) -> None:
    code = store.staff.new_code(GATE, StaffRole.GUARD, timedelta(minutes=5), now())
    assert store.staff.pair(code.code, "43", "Ada", now()) is not None


def by_hand(store: Store, gate: str = GATE) -> Any:
    held = store.gates.get(gate)
    assert held is not None
    return gatekeeping.issue_manual_pass(
        store,
        held,
        gatekeeping.PassIssuer("key:a"),
        reason="a note",
        lifetime=timedelta(minutes=5),
        now=now(),
    )


@pytest.mark.parametrize("told", IN_THE_WAY)
def test_what_is_at_a_gate_stands_in_the_way_until_force_is_given(
    admin: httpx.Client,
    login: Login,
    store: Store,
    make_account: Callable[..., StoredAccount],
    told: str,
) -> None:
    IN_THE_WAY[told](store, login, make_account)
    answer = admin.delete(PATH)
    assert (answer.status_code, code_of(answer)) == (409, "gate_in_use")
    assert answer.json()["detail"].startswith(f"{told} at gate {GATE} ")
    assert gates(admin) == [OTHER_GATE, GATE]
    assert "gate.deleted" not in acts(store)
    assert admin.delete(PATH, params={"force": "true"}).status_code == 204
    assert gates(admin) == [OTHER_GATE]
    (entry,) = [entry for entry in store.audit.page()[0] if entry.act == "gate.deleted"]
    assert entry.detail == f'name: "Main entrance"; {told}'


def test_what_is_over_stands_in_nobodys_way(
    admin: httpx.Client, login: Login, store: Store, make_event: Make
) -> None:
    login(Role.DEVICE)
    admin.delete(f"/v1/devices/{admin.get('/v1/devices').json()[0]['id']}")
    revoked = mint("a", Role.SCANNER, GATE)
    store.keys.add(revoked.stored)
    store.keys.revoke(revoked.stored.id)
    store.keys.add(mint("b", Role.SCANNER, GATE, expires_at=now() - timedelta(days=1)).stored)
    store.visitors.join(GATE, "7", now() - timedelta(hours=1), timedelta(minutes=5))
    issued = by_hand(store)
    assert store.passes.revoke(issued.id, now())
    by_hand(store, OTHER_GATE)
    assert admin.delete(PATH).status_code == 204


def test_nothing_of_a_deleted_gate_opens_tells_or_waits(
    admin: httpx.Client,
    login: Login,
    store: Store,
    make_account: Callable[..., StoredAccount],
    make_event: Make,
) -> None:
    device, scanner = login(Role.DEVICE), login(Role.SCANNER, GATE)
    make_account("Ada", Role.VIEWER, GATE)
    person = login(None)
    signed_in = person.post("/v1/sessions", json={"name": "Ada", "password": PASSWORD})
    assert signed_in.status_code == 201
    subscribe(store)
    subscribe(store, OTHER_GATE)
    staff(store)
    link = store.visitors.code(GATE)
    enrolment = store.devices.new_code(GATE, timedelta(minutes=5), now())
    pairing = store.staff.new_code(GATE, StaffRole.OPERATOR, timedelta(minutes=5), now())
    store.commands.set(GATE, GateSettings(votes=8))
    # The process remembers keys and gate from here on.
    granted = post(device, make_event()).json()
    attempt = {"token": "7Kq2mXw9RtB4z", "nonce": "b1946ac92492d234", "gate": GATE}
    assert scanner.post("/v1/passes/redeem", json=attempt).status_code == 200
    assert admin.post("/v1/passes/redeem", json=attempt).status_code == 200
    store.visitors.join(GATE, "7", now(), timedelta(minutes=5))

    assert admin.delete(PATH, params={"force": "true"}).status_code == 204

    assert code_of(post(device, make_event())) == "key_revoked"
    assert code_of(scanner.post("/v1/passes/redeem", json=attempt)) == "key_revoked"
    assert code_of(person.get("/v1/sessions/me")) == "session_invalid"
    entering = {**attempt, "token": granted["pass"]["token"], "nonce": "c1946ac92492d234"}
    assert code_of(admin.post("/v1/passes/redeem", json=entering)) == "gate_unknown"
    elsewhere = admin.post("/v1/passes/redeem", json={**entering, "gate": OTHER_GATE})
    assert elsewhere.json()["outcome"] == "wrong_gate"
    shown = admin.get(f"/v1/passes/{granted['pass']['id']}").json()
    assert shown["status"] == PassStatus.REVOKED.value
    for way in ("svg", "png"):
        assert code_of(admin.get(f"/v1/passes/{shown['id']}/qr.{way}")) == "pass_over"
    for method, path in (
        ("POST", f"{PATH}/passes"),
        ("POST", f"{PATH}/enrolment-codes"),
        ("POST", f"{PATH}/pairing-codes"),
        ("GET", f"{PATH}/visitor-link"),
        ("GET", f"{PATH}/subscribers"),
        ("GET", f"{PATH}/staff"),
        ("GET", f"{PATH}/settings"),
    ):
        body = {"reason": "x", "role": "guard"} if method == "POST" else None
        answer = admin.request(method, path, json=body)
        assert (answer.status_code, code_of(answer)) == (404, "gate_unknown"), path
    with pytest.raises(EnrolmentCodeInvalid):
        store.devices.enrol(EnrolmentRequest(code=enrolment.code, name="camera"), now())
    paired = invitations.pair(
        store, pairing.code, chat="44", name="Eve", language=Language.EN, now=now()
    )
    assert paired is None
    assert store.visitors.gate_of(link) is None
    assert store.visitors.place("7", now()) is None
    assert store.staff.of_chat("43") == []
    assert store.gates.of_address(Channel.TELEGRAM, "42") == [OTHER_GATE]
    assert store.commands.settings(GATE).revision == 0
    assert acts(store) >= {"gate.deleted", "device.revoked", "key.revoked", "account.deleted"}


def test_nothing_is_put_at_a_gate_that_is_gone(
    admin: httpx.Client, store: Store, password_hash: str
) -> None:
    """As by a request that looked at the gate before it was deleted."""
    gate = store.gates.get(GATE)
    assert gate is not None
    assert admin.delete(PATH).status_code == 204
    account = StoredAccount(
        id="a0",
        name="Ada",
        role=Role.VIEWER,
        gate=GATE,
        created_at=now(),
        password_hash=password_hash,
    )
    attempts: list[Callable[[], object]] = [
        lambda: store.keys.add(mint("a", Role.SCANNER, GATE).stored),
        lambda: store.keys.keep(mint("a", Role.SCANNER, GATE).stored),
        lambda: store.accounts.add(account),
        lambda: subscribe(store),
        lambda: store.visitors.join(GATE, "7", now(), timedelta(minutes=5)),
        lambda: store.commands.set(GATE, GateSettings()),
    ]
    for attempt in attempts:
        with pytest.raises(GateUnknown):
            attempt()
    assert not store.gates.add(gate)
    assert all(key.gate is None for key in store.keys.all())
    assert store.accounts.named("Ada") is None
    assert store.gates.of_address(Channel.TELEGRAM, "42") == []


def test_the_history_of_a_deleted_gate_is_read_until_its_retention(
    admin: httpx.Client, login: Login, store: Store, make_event: Make
) -> None:
    device = login(Role.DEVICE)
    seen = now()
    events = [make_event(Label.WITHOUT_MASK), make_event(occurred_at=seen, first_seen_at=seen)]
    for event in events:
        assert post(device, event).status_code == 201
    before = admin.get("/v1/stats", params={"gate": GATE}).json()["total"]
    assert admin.delete(PATH, params={"force": "true"}).status_code == 204
    for query in ({"gate": GATE}, {}):
        told = admin.get("/v1/events", params=query).json()["items"]
        assert [each["id"] for each in told] == [str(event.id) for event in reversed(events)]
        assert {each["gate"] for each in told} == {GATE}
        after = admin.get("/v1/stats", params=query).json()["total"]
        assert (after["events"], after["refused"]) == (before["events"], before["refused"])
    assert admin.get(f"/v1/events/{events[0].id}").status_code == 200
    assert admin.get("/v1/audit", params={"gate": GATE}).json()["items"] != []
    (kept,) = admin.get("/v1/devices", params={"gate": GATE}).json()
    assert kept["revoked"]


def test_the_streams_of_a_deleted_gate_are_trimmed_by_age(
    admin: httpx.Client, store: Store, settings: Settings
) -> None:
    assert admin.delete(PATH).status_code == 204
    streams = (keyspace.events(GATE), keyspace.deliveries(GATE))
    for stream in streams:
        store.client.xadd(stream, {"id": "old"}, id="1000-0")
    purge(store, settings)
    assert [store.client.xlen(stream) for stream in streams] == [0, 0]


def test_a_delivery_of_a_deleted_gate_is_not_sent(
    admin: httpx.Client, login: Login, store: Store, make_event: Make
) -> None:
    subscribe(store)
    assert post(login(Role.DEVICE), make_event(Label.WITHOUT_MASK)).status_code == 201
    (delivery,) = admin.get("/v1/deliveries").json()["items"]
    assert admin.delete(PATH, params={"force": "true"}).status_code == 204

    notifier = Recorder()
    set_context(JobContext(store, {Channel.TELEGRAM: notifier}, None))
    assert deliver(delivery["id"]) is None
    (settled,) = admin.get("/v1/deliveries", params={"gate": GATE}).json()["items"]
    assert settled["status"] == DeliveryStatus.UNDELIVERED_BY_CHOICE.value
    assert settled["detail"] == "the gate was deleted"
    assert notifier.sent == []


def test_events_that_race_with_a_deletion_are_kept_whole_or_refused(
    admin: httpx.Client, login: Login, store: Store, make_event: Make
) -> None:
    accepted: list[str] = []
    refused: list[str] = []
    under_way = threading.Barrier(4)

    def send(device: httpx.Client) -> None:
        for number in range(200):
            if number == 5:
                under_way.wait(timeout=60)
            at = now()
            event = make_event(first_seen_at=at, occurred_at=at)
            answer = post(device, event)
            if answer.status_code == 201:
                assert not refused or device not in ended, "accepted after a refusal"
                accepted.append(answer.json()["pass"]["id"])
            else:
                refused.append(code_of(answer))
                ended.append(device)
                return

    ended: list[httpx.Client] = []
    cameras = [login(Role.DEVICE) for _ in range(3)]
    threads = [threading.Thread(target=send, args=(camera,)) for camera in cameras]
    for thread in threads:
        thread.start()
    under_way.wait(timeout=60)
    assert admin.delete(PATH, params={"force": "true"}).status_code == 204
    for thread in threads:
        thread.join(timeout=120)
    # Each camera was refused in the end, by its key or by its gate, and what it was answered stays.
    assert len(refused) == len(cameras)
    assert set(refused) <= {"key_revoked", "gate_unknown"}
    kept = admin.get("/v1/events", params={"gate": GATE, "limit": 200}).json()["items"]
    assert {each["pass"]["id"] for each in kept} == set(accepted)
    assert {each["pass"]["status"] for each in kept} == {PassStatus.REVOKED.value}


def test_a_gate_is_made_once_by_two_at_once(admin: httpx.Client, login: Login) -> None:
    other = login(Role.ADMIN)
    for number in range(10):
        body = {"id": f"new-{number}", "name": "New"}
        answers: list[int] = []
        ready = threading.Barrier(2)

        def make(
            client: httpx.Client,
            body: dict[str, str] = body,
            answers: list[int] = answers,
            ready: threading.Barrier = ready,
        ) -> None:
            ready.wait(timeout=60)
            answers.append(client.post("/v1/gates", json=body).status_code)

        threads = [threading.Thread(target=make, args=(client,)) for client in (admin, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert sorted(answers) == [201, 409]
