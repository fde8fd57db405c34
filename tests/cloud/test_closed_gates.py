"""A gate that is closed promises nothing: no pass is made, and whoever waits is told."""

import threading
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from rq import Retry

from cloud import gatekeeping
from cloud.bot.answering.chat_request import ChatRequest
from cloud.bot.answering.conversation import Conversation
from cloud.contract import (
    Access,
    Channel,
    Decision,
    Delivery,
    DeliveryKind,
    DeliveryStatus,
    Event,
    Gate,
    Label,
    Language,
    RefusalReason,
    StaffRole,
    WebhookEvent,
)
from cloud.errors import GateClosed, GateUnknown
from cloud.gatekeeping import PassIssuer, PassRules, PostedEvent
from cloud.store import Store, WriteOutcome, now
from cloud.worker import jobs
from cloud.worker.context import JobContext
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.builders import Clock, Recorder, accept, subscribe
from tests.cloud.conftest import GATE, posted

Make = Callable[..., Event]
WAIT = timedelta(minutes=10)
LIFETIME = timedelta(minutes=5)
HOOK = "https://hooks.example.org/"
CHAT = "604"


def close(store: Store, reason: str = "fire drill") -> Gate:
    gate = store.gates.change(GATE, {"closed": True}, reason=reason, at=now())
    assert gate is not None
    return gate


def reopen(store: Store) -> None:
    assert store.gates.change(GATE, {"closed": False}) is not None


def told(store: Store, event: Event | None = None) -> dict[str, Delivery]:
    kept, _ = store.deliveries.page(gate=GATE, status=None, before=None, limit=50)
    return {each.address: each for each in kept if event is None or each.event_id == event.id}


# Events.


def test_a_mask_at_a_closed_gate_gets_no_pass_and_its_visitor_is_told_and_keeps_the_place(
    store: Store, make_event: Make
) -> None:
    for channel, address in (
        (Channel.TELEGRAM, "99"),
        (Channel.EMAIL, "a@example.org"),
        (Channel.WEBHOOK, HOOK),
    ):
        subscribe(store, channel, address)
    store.visitors.join(GATE, "1", now(), WAIT)
    close(store)
    event = make_event()
    decision = accept(store, event)
    assert (decision.access, decision.issued_pass) == (Access.REFUSED, None)
    assert decision.refusal is not None
    assert decision.refusal.reason is RefusalReason.GATE_CLOSED
    said = told(store, event)
    assert set(said) == {"1", HOOK}
    assert not said["1"].with_qr
    assert "Main entrance is closed just now, since " in said["1"].text
    assert "(fire drill)" in said["1"].text
    assert "You keep your place" in said["1"].text
    body = WebhookEvent.model_validate_json(said[HOOK].text)
    assert body.data.refusal == decision.refusal
    assert store.visitors.place("1", now()) == (GATE, 0)
    reopen(store)
    after = make_event()
    assert accept(store, after).access is Access.GRANTED
    assert told(store, after)["1"].with_qr


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize(
    ("label", "reason"),
    [
        (Label.WITHOUT_MASK, RefusalReason.NO_MASK),
        (Label.INCORRECT_MASK, RefusalReason.MASK_WORN_WRONGLY),
    ],
)
def test_nobody_is_sent_back_to_the_camera_of_a_closed_gate(
    store: Store, make_event: Make, label: Label, reason: RefusalReason, language: Language
) -> None:
    subscribe(store, Channel.TELEGRAM, "99", language=language)
    subscribe(store, Channel.EMAIL, "a@example.org", language=language)
    store.visitors.join(GATE, "1", now(), WAIT, language)
    close(store)
    event = make_event(label)
    refusal = accept(store, event).refusal
    assert refusal is not None
    assert refusal.reason is reason
    said = told(store, event)
    assert set(said) == {"1", "99", "a@example.org"}
    for text in (refusal.message, *(each.text for each in said.values())):
        assert "camera" not in text
        assert "cámara" not in text
    assert "closed" in refusal.message
    for address in ("1", "99"):
        assert ("closed" if language is Language.EN else "cerrada") in said[address].text
    assert store.visitors.place("1", now()) == (GATE, 0)


def test_an_event_that_was_looked_at_before_the_gate_closed_is_not_written_after(
    store: Store, make_event: Make
) -> None:
    store.visitors.join(GATE, "1", now(), WAIT)
    event = make_event()
    context = store.events.policy_context(GATE)
    posted = PostedEvent(event, GATE, "camera")
    offered = gatekeeping.offer(posted, context, PassRules(LIFETIME), now())
    assert offered.decision.access is Access.GRANTED
    close(store)
    assert store.events.add(offered) is WriteOutcome.STALE
    assert told(store) == {}
    assert store.visitors.place("1", now()) == (GATE, 0)


def test_an_api_that_remembers_the_gate_as_open_grants_nothing_once_it_is_closed(
    device: httpx.Client, operator: httpx.Client, make_event: Make
) -> None:
    assert device.post("/v1/events", json=posted(make_event())).json()["access"] == "granted"
    change = {"closed": True, "reason": "fire drill"}
    assert operator.patch(f"/v1/gates/{GATE}", json=change).status_code == 200
    answers = [device.post("/v1/events", json=posted(make_event())).json() for _ in range(5)]
    assert {answer["refusal"]["reason"] for answer in answers} == {"gate_closed"}
    assert {answer["pass"] for answer in answers} == {None}


def test_of_many_events_around_the_closing_none_after_it_is_granted(
    store: Store, make_event: Make
) -> None:
    closed = threading.Event()
    granted_after: list[Decision] = []
    counted: list[Access] = []

    def post() -> None:
        for _ in range(40):
            was_closed = closed.is_set()
            decision = accept(store, make_event())
            counted.append(decision.access)
            if was_closed and decision.access is Access.GRANTED:
                granted_after.append(decision)

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    close(store)
    closed.set()
    for thread in threads:
        thread.join()
    assert granted_after == []
    assert len(counted) == 160
    kept, _ = store.events.page(
        gate=GATE, access=Access.GRANTED, label=None, before=None, limit=200, now=now()
    )
    assert len(kept) == counted.count(Access.GRANTED)


# Since when, and why.


def test_a_gate_keeps_since_when_and_why_it_is_closed(operator: httpx.Client) -> None:
    def change(**fields: object) -> Gate:
        answer = operator.patch(f"/v1/gates/{GATE}", json=fields)
        assert answer.status_code == 200, answer.text
        return Gate.model_validate_json(answer.content)

    began = now()
    first = change(closed=True, reason="fire drill")
    assert first.closed_at is not None
    assert began <= first.closed_at <= now()
    assert first.closed_reason == "fire drill"
    again = change(closed=True)
    assert (again.closed_at, again.closed_reason) == (first.closed_at, "fire drill")
    other = change(closed=True, reason="broken door")
    assert (other.closed_at, other.closed_reason) == (first.closed_at, "broken door")
    renamed = change(name="North entrance", reason="a new sign")
    assert (renamed.closed_at, renamed.closed_reason) == (first.closed_at, "broken door")
    opened = change(closed=False, reason="all is well")
    assert (opened.closed, opened.closed_at, opened.closed_reason) == (False, None, "")


@pytest.mark.parametrize(
    ("language", "closed", "opened"),
    [
        (Language.EN, "is closed just now", "is open again"),
        (Language.ES, "está cerrada", "está abierta otra vez"),
    ],
)
def test_those_who_wait_are_told_once_that_the_gate_is_closed_and_once_that_it_is_open(
    operator: httpx.Client, store: Store, language: Language, closed: str, opened: str
) -> None:
    store.visitors.join(GATE, "gone", now() - 2 * WAIT, WAIT, language)
    for chat in ("1", "2"):
        store.visitors.join(GATE, chat, now(), WAIT, language)
    for _ in range(2):
        change = {"closed": True, "reason": "fire drill"}
        assert operator.patch(f"/v1/gates/{GATE}", json=change).status_code == 200
    said = told(store)
    assert set(said) == {"1", "2"}
    assert all(closed in each.text and "fire drill" in each.text for each in said.values())
    operator.patch(f"/v1/gates/{GATE}", json={"closed": False}).raise_for_status()
    kept, _ = store.deliveries.page(gate=GATE, status=None, before=None, limit=50)
    assert len(kept) == 4
    assert sorted(each.address for each in kept if opened in each.text) == ["1", "2"]
    assert {each.kind for each in kept} == {DeliveryKind.GATE}
    assert store.visitors.place("2", now()) == (GATE, 1)


# Passes by hand.


def test_no_pass_is_made_by_hand_at_a_closed_gate(operator: httpx.Client, store: Store) -> None:
    close(store)
    answer = operator.post(f"/v1/gates/{GATE}/passes", json={"reason": "no mask fits"})
    assert (answer.status_code, code_of(answer)) == (409, "gate_closed")
    reopen(store)
    answer = operator.post(f"/v1/gates/{GATE}/passes", json={"reason": "no mask fits"})
    assert answer.status_code == 201


def test_a_gate_that_was_open_when_the_maker_looked_is_looked_at_again(store: Store) -> None:
    gate = store.gates.get(GATE)
    assert gate is not None
    close(store)
    with pytest.raises(GateClosed, match=GATE):
        gatekeeping.issue_manual_pass(
            store, gate, PassIssuer("key:desk"), reason="x", lifetime=LIFETIME, now=now()
        )
    assert store.audit.page()[0] == []
    gone = gate.model_copy(update={"id": "gone"})
    with pytest.raises(GateUnknown):
        gatekeeping.issue_manual_pass(
            store, gone, PassIssuer("key:desk"), reason="x", lifetime=LIFETIME, now=now()
        )


# The bot.


@pytest.fixture
def conversation(store: Store) -> Conversation:
    return Conversation(store, WAIT, LIFETIME)


def say(text: str, language: str = "en") -> ChatRequest:
    command, _, rest = text.removeprefix("/").partition(" ")
    return ChatRequest(CHAT, "Op", language, True, 1, command, rest)


@pytest.mark.parametrize(
    ("language", "closed", "promise"),
    [("en", "is closed just now", "You are next"), ("es", "está cerrada", "Eres el siguiente")],
)
def test_who_comes_to_wait_at_a_closed_gate_is_told_and_has_a_place(
    conversation: Conversation, store: Store, language: str, closed: str, promise: str
) -> None:
    close(store)
    link = f"/start gate_{store.visitors.code(GATE)}"
    answer = conversation.answer(say(link, language)) or ""
    assert closed in answer
    assert "fire drill" in answer
    assert promise not in answer
    assert store.visitors.place(CHAT, now()) == (GATE, 0)
    assert closed in (conversation.answer(say("/status", language)) or "")
    reopen(store)
    assert promise in (conversation.answer(say(link, language)) or "")
    assert closed not in (conversation.answer(say("/status", language)) or "")


def test_an_operator_who_asks_for_a_pass_at_a_closed_gate_is_told_so(
    conversation: Conversation, store: Store
) -> None:
    code = store.staff.new_code(GATE, StaffRole.OPERATOR, WAIT, now()).code
    assert store.staff.pair(code, CHAT, "Op", now()) is not None
    close(store)
    assert "is closed" in (conversation.answer(say("/pass no mask fits")) or "")
    assert told(store) == {}
    assert "1 waiting" not in (conversation.answer(say("/gates")) or "")
    assert "closed" in (conversation.answer(say("/gates")) or "")


# Codes that are on their way when the gate closes.


@pytest.fixture
def telegram() -> Recorder:
    return Recorder()


@pytest.fixture
def clock(store: Store, telegram: Recorder) -> Clock:
    clock = Clock()
    jobs.set_context(JobContext(store, {Channel.TELEGRAM: telegram}, None, clock))
    return clock


def waiting_code(store: Store, make_event: Make, language: Language) -> Delivery:
    store.visitors.join(GATE, "1", now(), WAIT, language)
    accept(store, make_event())
    return told(store)["1"]


def notice(store: Store) -> Delivery:
    kept, _ = store.deliveries.page(gate=GATE, status=None, before=None, limit=50)
    (found,) = [each for each in kept if each.kind is DeliveryKind.GATE]
    return found


@pytest.mark.parametrize(
    ("language", "words"),
    [(Language.EN, "is closed just now"), (Language.ES, "está cerrada")],
)
def test_a_code_waits_while_its_gate_is_closed_and_the_visitor_is_told_once(
    store: Store,
    make_event: Make,
    telegram: Recorder,
    clock: Clock,
    language: Language,
    words: str,
) -> None:
    pending = waiting_code(store, make_event, language)
    close(store)
    for _ in range(3):
        assert isinstance(jobs.deliver(pending.id), Retry)
    assert telegram.sent == []
    assert jobs.deliver(notice(store).id) is None
    (message,) = telegram.sent
    assert (message.address, message.qr_png) == ("1", None)
    assert words in message.text
    assert "fire drill" in message.text
    assert message.acknowledge is None
    reopen(store)
    clock.ahead = timedelta(seconds=30)  # past what one message a second in a chat asks for
    while jobs.deliver(pending.id) is not None:
        pass
    assert telegram.sent[-1].qr_png is not None


def test_a_code_whose_pass_is_over_before_the_gate_opens_is_never_sent(
    store: Store, make_event: Make, telegram: Recorder, clock: Clock
) -> None:
    pending = waiting_code(store, make_event, Language.EN)
    close(store)
    assert isinstance(jobs.deliver(pending.id), Retry)
    clock.ahead = LIFETIME
    assert jobs.deliver(pending.id) is None
    kept = store.deliveries.get(pending.id)
    assert kept is not None
    assert kept.status is DeliveryStatus.FAILED
    assert "expired" in kept.detail
    assert telegram.sent == []
