"""The client against a real API on a real socket."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from cloud.client import (
    Client,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Refused,
    Unauthenticated,
)
from cloud.contract import (
    Access,
    Channel,
    Credentials,
    DeviceChange,
    EnrolmentRequest,
    Event,
    GateChange,
    KeyChange,
    Label,
    NewGate,
    NewKey,
    NewPass,
    NewSubscriber,
    Outcome,
    PassSource,
    PassStatus,
    ProblemCode,
    RedemptionRequest,
    Role,
    SubscriberChange,
    Topic,
    UndoRequest,
)
from cloud.store import Store, StoredAccount, mint
from tests.cloud.conftest import GATE, OTHER_GATE, PASSWORD

MakeClient = Callable[[Role], Client]


@pytest.fixture
def as_role(api_url: str, store: Store) -> Iterator[MakeClient]:
    """Clients with a new key of a role."""
    opened: list[Client] = []

    def make(role: Role) -> Client:
        minted = mint(f"a {role.value}", role, None)
        store.keys.add(minted.stored)
        opened.append(Client(api_url, minted.text, timeout_s=60))
        return opened[-1]

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def admin(as_role: MakeClient) -> Client:
    return as_role(Role.ADMIN)


@pytest.fixture
def camera(admin: Client, api_url: str) -> Iterator[Client]:
    """A device, enrolled by the client itself."""
    code = admin.create_enrolment_code(GATE)
    with Client(api_url, timeout_s=60) as nobody:
        enrolment = nobody.enrol_device(EnrolmentRequest(code=code.code, name="camera"))
    with Client(api_url, enrolment.device_key, timeout_s=60) as opened:
        yield opened


def event(label: Label = Label.WITH_MASK) -> Event:
    at = datetime.now(UTC)
    return Event(id=uuid7(), label=label, confidence=0.9, votes=9, first_seen_at=at, occurred_at=at)


def test_from_a_verdict_to_the_door_and_back(admin: Client, camera: Client) -> None:
    seen = event()
    decision = camera.post_event(seen)
    assert decision.access is Access.GRANTED
    assert decision.issued_pass is not None
    assert camera.post_event(seen) == decision
    record = admin.get_event(seen.id)
    assert record.pass_record is not None
    pass_id = record.pass_record.id
    assert admin.get_pass_qr_png(pass_id).startswith(b"\x89PNG")
    assert b"<svg" in admin.get_pass_qr_svg(pass_id)
    attempt = RedemptionRequest(token=decision.issued_pass.token, nonce=uuid4().hex, gate=GATE)
    assert admin.redeem_pass(attempt).outcome is Outcome.ADMITTED
    assert admin.undo_redemption(pass_id, UndoRequest(nonce=attempt.nonce)).redeemed_at is None
    attempts = list(admin.iter_redemptions(pass_=pass_id, outcome=Outcome.ADMITTED))
    assert [each.gate for each in attempts] == [GATE]
    assert [each.id for each in admin.iter_passes(source=PassSource.EVENT)] == [pass_id]
    assert list(admin.iter_passes(source=PassSource.BY_HAND)) == []
    admin.revoke_pass(pass_id)
    assert admin.get_pass(pass_id).status is PassStatus.REVOKED
    with pytest.raises(Gone) as caught:
        admin.get_pass_qr_png(pass_id)
    assert caught.value.code is ProblemCode.PASS_OVER


def test_events_are_filtered_and_read_page_by_page(admin: Client, camera: Client) -> None:
    labels = [Label.WITHOUT_MASK, Label.WITH_MASK] * 3
    posted = [event(label) for label in labels]
    for each in posted:
        camera.post_event(each)
    assert [each.id for each in admin.iter_events()] == [each.id for each in reversed(posted)]
    page = admin.list_events(label=Label.WITHOUT_MASK, limit=2)
    assert [each.id for each in page] == [posted[4].id, posted[2].id]
    rest = admin.list_events(label=Label.WITHOUT_MASK, limit=2, before=page.next)
    assert [each.id for each in rest] == [posted[0].id]
    accepted = admin.get_event(posted[3].id).accepted_at
    later = {each.id for each in admin.iter_events(since=accepted)}
    earlier = {each.id for each in admin.iter_events(until=accepted)}
    assert posted[3].id in later
    assert posted[0].id in earlier | later
    assert not later & earlier


def test_a_gates_life(admin: Client) -> None:
    made = admin.create_gate(NewGate(id="side", name="Side door"))
    assert made in admin.iter_gates()
    closed = admin.change_gate("side", GateChange(closed=True, reason="fire drill"))
    assert (closed.closed, closed.name) == (True, "Side door")
    hook = admin.create_subscriber(
        "side", NewSubscriber(channel=Channel.WEBHOOK, address="https://hooks.example.org/x")
    )
    assert hook.secret
    assert admin.roll_subscriber_secret("side", hook.id).secret != hook.secret
    trial = admin.test_subscriber("side", hook.id)
    assert trial.id in {each.id for each in admin.iter_deliveries(event=trial.event_id)}
    assert list(admin.iter_deliveries(channel=Channel.EMAIL)) == []
    change = SubscriberChange(topics=[Topic.REFUSAL])
    assert admin.change_subscriber("side", hook.id, change).topics == [Topic.REFUSAL]
    admin.delete_subscriber("side", hook.id)
    assert list(admin.list_subscribers("side")) == []
    by_hand = admin.create_pass(GATE, NewPass(reason="the camera is blind"))
    assert admin.get_pass(by_hand.id).gate == GATE
    acts = [entry.act for entry in admin.iter_audit(gate="side")]
    assert "gate.closed" in acts
    assert "subscriber.deleted" in acts


def test_the_first_who_takes_charge_of_an_event_is_kept(
    admin: Client, as_role: MakeClient, camera: Client
) -> None:
    seen = event(Label.WITHOUT_MASK)
    camera.post_event(seen)
    first = admin.acknowledge_event(seen.id)
    assert as_role(Role.OPERATOR).acknowledge_event(seen.id) == first


def test_arrays_are_read_page_by_page(admin: Client) -> None:
    first = admin.list_gates(limit=1)
    assert [gate.id for gate in first] == sorted([GATE, OTHER_GATE])[:1]
    second = admin.list_gates(limit=1, after=first.next)
    assert [gate.id for gate in second] == sorted([GATE, OTHER_GATE])[1:]
    assert second.next is None


def test_keys_are_made_renamed_and_revoked(admin: Client, api_url: str) -> None:
    issued = admin.create_key(NewKey(name="a screen", role=Role.VIEWER))
    assert admin.change_key(issued.id, KeyChange(name="the screen")).name == "the screen"
    with Client(api_url, issued.key, timeout_s=60) as viewer:
        own = viewer.get_own_key()
        assert (own.id, own.role) == (issued.id, Role.VIEWER)
        with pytest.raises(Forbidden) as caught:
            viewer.create_gate(NewGate(id="mine", name="Mine"))
        assert caught.value.code is ProblemCode.ROLE_FORBIDDEN
        admin.revoke_key(issued.id)
        with pytest.raises(Unauthenticated) as refused:
            viewer.list_events()
    assert refused.value.code is ProblemCode.KEY_REVOKED


def test_a_device_asks_for_commands_and_rolls_its_key(admin: Client, camera: Client) -> None:
    (device,) = admin.list_devices(gate=GATE)
    assert admin.change_device(device.id, DeviceChange(name="Door Pi")).name == "Door Pi"
    admin.reload_device(device.id)
    page = camera.list_commands(wait=5)
    assert [command.kind for command in page.items] == ["reload"]
    assert camera.list_commands(after=page.items[0].id, wait=0).items == []
    camera.use_key(camera.roll_own_key().device_key)
    assert camera.get_own_settings().gate == GATE
    with pytest.raises(Conflict) as caught:
        camera.put_preview(_jpeg())
    assert caught.value.code is ProblemCode.PREVIEW_UNWANTED


def _jpeg() -> bytes:
    import cv2
    import numpy as np

    return cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()


def test_a_session_needs_no_key(api_url: str, make_account: Callable[..., StoredAccount]) -> None:
    make_account("Ada", Role.OPERATOR)
    with Client(api_url, timeout_s=60) as person:
        session = person.create_session(Credentials(name="Ada", password=PASSWORD))
        assert session.account.name == "Ada"
        assert person.get_session().account == session.account
        person.change_gate(GATE, GateChange(closed=True))  # proves itself by the CSRF token
        person.end_session()
        with pytest.raises(Unauthenticated):
            person.list_events()


def test_a_stream_gives_events_and_what_was_missed(admin: Client, camera: Client) -> None:
    first, second = event(), event(Label.WITHOUT_MASK)
    camera.post_event(first)
    after = admin.get_event(first.id).cursor
    camera.post_event(second)
    message = next(iter(admin.stream_events(gate=GATE, last_event_id=after)))
    assert (message.kind, message.record.id) == ("event", second.id)
    followed = admin.follow_events(after=after)
    assert next(followed).id == second.id
    third = event()
    threading.Timer(0, camera.post_event, [third]).start()
    assert next(followed).id == third.id


def test_an_export_is_what_was_accepted(admin: Client, camera: Client) -> None:
    seen = event()
    camera.post_event(seen)
    lines = b"".join(admin.export_events(gate=GATE)).decode().splitlines()
    assert len(lines) == 2
    assert str(seen.id) in lines[1]


def test_the_platforms_questions(admin: Client, api_url: str) -> None:
    with Client(api_url, timeout_s=60) as nobody:
        assert nobody.healthz() == "ok\n"
        assert nobody.readyz() == "ready\n"
        assert "maskgate_" in nobody.read_metrics()
    assert admin.read_statistics(gate=GATE).total.events == 0


@pytest.mark.parametrize(
    ("call", "kind", "code"),
    [
        (lambda api: api.get_event(uuid7()), NotFound, ProblemCode.EVENT_UNKNOWN),
        (
            lambda api: api.create_gate(NewGate(id=GATE, name="again")),
            Conflict,
            ProblemCode.GATE_EXISTS,
        ),
        (lambda api: api.list_events(limit=9_999), Invalid, ProblemCode.MALFORMED_REQUEST),
    ],
)
def test_a_refusal_has_a_kind_and_a_code(
    admin: Client, call: Callable[[Client], object], kind: type[Refused], code: ProblemCode
) -> None:
    with pytest.raises(kind) as caught:
        call(admin)
    assert caught.value.code is code
    assert caught.value.request_id
    assert str(code) in str(caught.value)


def test_what_is_wrong_with_a_request_is_named(admin: Client) -> None:
    with pytest.raises(Invalid) as caught:
        admin.list_events(limit=9_999)
    assert caught.value.faults[0]["loc"] == ["query", "limit"]


def test_what_is_left_out_of_a_change_stays(admin: Client) -> None:
    admin.change_gate(GATE, GateChange(pass_lifetime_s=60))
    admin.change_gate(GATE, GateChange(name="Front"))
    (gate,) = [gate for gate in admin.list_gates() if gate.id == GATE]
    assert (gate.name, gate.pass_lifetime_s) == ("Front", 60)


@pytest.mark.parametrize("url", ["https://me:hush@cloud", "https://me:hu#sh@cloud"])
def test_an_address_with_a_password_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="the key says who asks") as caught:
        Client(url)
    assert "hu" not in str(caught.value)
