"""The client against a real API on a real socket, and against servers that are none."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from uuid import uuid4

import httpx
import pytest
from uuid_utils.compat import uuid7

from cloud.client import (
    ApiTimedOut,
    ApiUnreachable,
    ApiUnreadable,
    Client,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    Page,
    Refused,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    Unread,
)
from cloud.client.connection import LONGEST_PAUSE_S
from cloud.contract import (
    Access,
    Channel,
    Credentials,
    DeviceChange,
    EnrolmentRequest,
    Event,
    Gate,
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
from tests.doubles.redis_server import free_port

SECRET = "mg_key_that-nobody-may-read"

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


# What answers here is no API, or an API that is not well.


def answering(answer: Callable[[httpx.Request], httpx.Response], read_retries: int = 0) -> Client:
    return Client(
        "http://cloud", SECRET, transport=httpx.MockTransport(answer), read_retries=read_retries
    )


def problem(status: int, code: str, **headers: str) -> httpx.Response:
    body = {"title": "No", "status": status, "code": code}
    return httpx.Response(status, json=body, headers=headers)


def test_nobody_there() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with Client(address, SECRET) as client, pytest.raises(ApiUnreachable, match=address):
        client.list_gates()


def test_an_answer_that_takes_too_long() -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("too slow", request=request)

    with answering(slow) as client, pytest.raises(ApiTimedOut, match="within 10 s"):
        client.list_gates()


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>Welcome to this router</html>"),
        httpx.Response(502, text="<html>Bad gateway</html>"),
        httpx.Response(307, headers={"Location": "https://elsewhere.example"}),
        httpx.Response(200, json={"items": "none"}),
    ],
)
def test_something_else_that_answers(answer: httpx.Response) -> None:
    with answering(lambda _: answer) as client, pytest.raises(ApiUnreadable):
        client.list_gates()


def test_a_code_of_a_newer_cloud_is_still_a_refusal() -> None:
    with (
        answering(lambda _: problem(409, "gate_is_painted")) as client,
        pytest.raises(Conflict) as caught,
    ):
        client.list_gates()
    assert caught.value.code == "gate_is_painted"


def test_one_item_of_a_newer_cloud_hides_no_other_and_is_not_passed_over() -> None:
    good = Gate(id="main", name="Main", created_at=datetime(2026, 1, 5, tzinfo=UTC))
    sent = [good.model_dump(mode="json"), {"id": "new", "created_at": "soon"}]
    with answering(lambda _: httpx.Response(200, json=sent)) as client:
        page = client.list_gates()
    assert len(page) == 2
    assert page.rows[0] == good
    assert isinstance(page.rows[1], Unread)
    assert page.rows[1].why == "name is missing, created_at 'soon'"
    with pytest.raises(ApiUnreadable, match="name is missing"):
        list(page)
    assert list(Page([good])) == [good]


def test_reads_are_tried_again_where_that_was_asked_for() -> None:
    asked: list[float] = []

    def moody(request: httpx.Request) -> httpx.Response:
        asked.append(time.monotonic())
        if len(asked) == 1:
            raise httpx.ConnectError("refused", request=request)
        if len(asked) == 2:
            return problem(503, "store_unavailable", **{"Retry-After": "1"})
        return httpx.Response(200, json=[])

    with answering(moody, read_retries=2) as client:
        assert client.list_gates().rows == []
    assert len(asked) == 3
    assert asked[2] - asked[1] >= 1.0


@pytest.mark.parametrize(
    ("call", "answer", "kind"),
    [
        (
            lambda api: api.change_gate("main", GateChange(closed=True)),
            problem(503, "store_unavailable"),
            Unavailable,
        ),
        (lambda api: api.list_gates(), problem(404, "not_found"), NotFound),
        (
            lambda api: api.list_gates(),
            problem(429, "rate_limited", **{"Retry-After": str(int(LONGEST_PAUSE_S) + 1)}),
            TooManyRequests,
        ),
    ],
)
def test_what_is_no_read_or_would_not_help_is_tried_once(
    call: Callable[[Client], object], answer: httpx.Response, kind: type[Refused]
) -> None:
    asked: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer

    with answering(refuse, read_retries=5) as client, pytest.raises(kind):
        call(client)
    assert len(asked) == 1


@pytest.mark.parametrize("ahead", [timedelta(hours=-5), timedelta(0), timedelta(hours=5)])
def test_now_is_by_the_apis_clock(ahead: timedelta) -> None:
    def stamped(_: httpx.Request) -> httpx.Response:
        date = format_datetime(datetime.now(UTC) + ahead, usegmt=True)
        return httpx.Response(200, json=[], headers={"Date": date})

    with answering(stamped) as client:
        client.list_gates()
        assert abs(client.now() - (datetime.now(UTC) + ahead)) < timedelta(minutes=1)
        assert abs(client.clock_offset - ahead) < timedelta(minutes=1)


def test_the_key_is_in_no_text_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        answering(lambda _: problem(401, "key_invalid")) as client,
        pytest.raises(Unauthenticated) as caught,
    ):
        client.list_gates()
    for text in (repr(client), str(vars(client)), repr(caught.value), caplog.text):
        assert SECRET not in text


@pytest.mark.parametrize("key", ["", "two words", "schlüssel", "line\nbreak"])
def test_what_can_be_no_key_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(ValueError, match="the key is empty, or holds") as caught:
        Client("http://cloud", key)
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize("gate", ["", ".", ".."])
def test_a_name_that_would_lead_elsewhere_is_not_sent(gate: str) -> None:
    with (
        answering(lambda _: httpx.Response(204)) as client,
        pytest.raises(ValueError, match="name"),
    ):
        client.get_gate_settings(gate)


def test_a_name_is_quoted_in_the_address() -> None:
    paths: list[bytes] = []

    def note(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return httpx.Response(204)

    with answering(note) as client:
        client.delete_subscriber("main", "a/b?c")
    assert paths == [b"/v1/gates/main/subscribers/a%2Fb%3Fc"]


def test_an_address_that_is_none() -> None:
    with pytest.raises(ValueError, match="no address"):
        Client("http://cloud:port")
