"""The answers that no transcript of docs/people.md shows."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

import pytest
from PIL import Image

from cloud import gatekeeping
from cloud.bot.answering.chat_request import ChatRequest
from cloud.bot.answering.conversation import Conversation
from cloud.contract import Delivery, Gate, PassStatus, StaffRole
from cloud.store import Store, keyspace, now
from cloud.store.sites.gates import Gates
from cloud.store.tokens import sha256_of
from tests.cloud.bot.answering.pictures import below, beside, encoded
from tests.cloud.conftest import GATE, OTHER_GATE

CHAT = "604"


def say(text: str, message_id: int = 1) -> ChatRequest:
    command, _, rest = text.removeprefix("/").partition(" ")
    return ChatRequest(CHAT, "Op", "en", True, message_id, command, rest)


@pytest.fixture
def conversation(store: Store) -> Conversation:
    return Conversation(store, timedelta(minutes=10), timedelta(minutes=5))


def appoint(store: Store, gate: str, role: StaffRole) -> None:
    code = store.staff.new_code(gate, role, timedelta(minutes=5), now()).code
    assert store.staff.pair(code, CHAT, "Op", now()) is not None


def sent(store: Store) -> list[Delivery]:
    return store.deliveries.page(gate=None, status=None, before=None, limit=50)[0]


def test_the_same_message_twice_makes_one_pass(conversation: Conversation, store: Store) -> None:
    appoint(store, GATE, StaffRole.OPERATOR)
    assert "is made" in (conversation.answer(say("/pass no mask fits")) or "")
    assert conversation.answer(say("/pass no mask fits")) is None
    (delivery,) = sent(store)
    assert (delivery.address, delivery.with_qr) == (CHAT, True)
    (entry,) = store.audit.page()[0]
    assert (entry.actor, entry.act, entry.reason) == (f"chat:{CHAT}", "pass.issued", "no mask fits")
    assert store.waiting_jobs() == 1


def test_an_operator_of_two_gates_names_one(conversation: Conversation, store: Store) -> None:
    for gate in (GATE, OTHER_GATE):
        appoint(store, gate, StaffRole.OPERATOR)
    for text in ("/pass no mask fits", f"/pass {GATE}", "/pass"):
        assert "name one of them" in (conversation.answer(say(text)) or "")
    assert sent(store) == []
    assert "is made" in (conversation.answer(say(f"/pass {OTHER_GATE} no mask fits")) or "")
    assert [delivery.gate for delivery in sent(store)] == [OTHER_GATE]


def test_a_guard_and_a_stranger_make_none(conversation: Conversation, store: Store) -> None:
    assert "for operators" in (conversation.answer(say("/pass please")) or "")
    appoint(store, GATE, StaffRole.GUARD)
    assert "for operators" in (conversation.answer(say("/pass please", 2)) or "")
    assert sent(store) == []


def test_what_a_guard_scans_can_be_read_in_the_trail(
    conversation: Conversation, store: Store
) -> None:
    appoint(store, GATE, StaffRole.OPERATOR)
    conversation.answer(say("/pass no mask fits"))
    (delivery,) = sent(store)
    token = store.passes.token(delivery.event_id)
    assert "Admitted" in (conversation.answer(say(f"/scan {token}", 2)) or "")
    assert [entry.act for entry in store.audit.page()[0]] == [
        "pass.scanned.admitted",
        "pass.issued",
    ]


class GatesAsTheyWere(Gates):
    """Gates that answer with their state at the beginning of the test."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.client, store.batches)
        self._before = {gate.id: gate for gate in store.gates.all()}

    def get(self, gate_id: str) -> Gate | None:
        return self._before.get(gate_id)


def test_a_gate_that_closes_between_the_look_and_the_redemption_admits_nobody(
    store: Store,
) -> None:
    def clock() -> datetime:
        """Close the gate in the last moment before the redemption."""
        assert gates.change(GATE, {"closed": True}) is not None
        return now()

    gates = store.gates
    appoint(store, GATE, StaffRole.OPERATOR)
    lengths = timedelta(minutes=10), timedelta(minutes=5)
    Conversation(store, *lengths).answer(say("/pass no mask fits"))
    (delivery,) = sent(store)
    token = store.passes.token(delivery.event_id)
    store.gates = GatesAsTheyWere(store)
    late = Conversation(store, *lengths, clock)
    assert late.answer(say(f"/scan {token}", 2)) == "✗ The gate is closed."
    held = store.passes.get(delivery.event_id)
    assert held is not None
    assert held.status is PassStatus.ISSUED
    gates.change(GATE, {"closed": False})
    again = Conversation(store, *lengths).answer(say(f"/scan {token}", 3))
    assert "Admitted" in (again or "")


def test_a_gate_that_is_gone_admits_nobody_and_the_chats_other_gate_is_tried(
    conversation: Conversation, store: Store
) -> None:
    for gate in (GATE, OTHER_GATE):
        appoint(store, gate, StaffRole.OPERATOR)
    conversation.answer(say(f"/pass {OTHER_GATE} no mask fits"))
    (delivery,) = sent(store)
    token = store.passes.token(delivery.event_id)
    store.client.hdel(keyspace.GATES, GATE)
    said = conversation.answer(say(f"/scan {token}", 2))
    assert said == "✓ Admitted at Back entrance. Let the person in."
    store.client.hdel(keyspace.GATES, OTHER_GATE)
    said = conversation.answer(say(f"/scan {token}", 3))
    assert "There is no entrance" in (said or "")


POSTER = "https://t.me/maskgate_bot?start=gate_AbCdEfGhIjKlMnOp"
MINUTES = timedelta(minutes=5)


def token_at(store: Store, gate: str = GATE, lifetime: timedelta = MINUTES) -> str:
    at = store.gates.get(gate)
    assert at is not None
    maker = gatekeeping.PassIssuer("key:desk")
    issued = gatekeeping.issue_manual_pass(
        store, at, maker, reason="a test", lifetime=lifetime, now=now()
    )
    assert issued is not None
    return issued.token


def address(token: str) -> str:
    return f"https://gate.example.org/p/{token}"


def status_of(store: Store, token: str) -> PassStatus:
    pass_id = cast(bytes, store.client.get(keyspace.token(sha256_of(token))))
    held = store.passes.get(UUID(pass_id.decode()))
    assert held is not None
    return held.record(now()).status


@pytest.mark.parametrize("placed", [beside, below])
@pytest.mark.parametrize("poster_first", [True, False])
def test_a_pass_beside_the_entrances_poster_is_redeemed(
    conversation: Conversation,
    store: Store,
    placed: Callable[[list[str]], Image.Image],
    poster_first: bool,
) -> None:
    appoint(store, GATE, StaffRole.GUARD)
    token = token_at(store)
    texts = [POSTER, address(token)] if poster_first else [address(token), POSTER]
    answer = conversation.answer_photo(say("photo", 2), encoded(placed(texts)))
    assert answer == "✓ Admitted at Main entrance. Let the person in."


def test_a_poster_alone_is_told_from_a_pass(conversation: Conversation, store: Store) -> None:
    appoint(store, GATE, StaffRole.GUARD)
    answer = conversation.answer_photo(say("photo", 2), encoded(beside([POSTER])))
    assert "not a pass" in answer
    assert "not a pass" in (conversation.answer(say(f"/scan {POSTER}", 3)) or "")


def test_of_two_passes_in_one_picture_one_is_redeemed_and_the_guard_is_told(
    conversation: Conversation, store: Store
) -> None:
    appoint(store, GATE, StaffRole.GUARD)
    tokens = [token_at(store), token_at(store)]
    picture = encoded(beside(tokens))
    for _ in range(2):  # Telegram sends an update again where the answer was lost.
        admitted, about = conversation.answer_photo(say("photo", 2), picture).split("\n")
        assert admitted == "✓ Admitted at Main entrance. Let the person in."
        assert about.startswith("2 passes are shown here, each for one person. One of them was")
        states = sorted(status_of(store, token) for token in tokens)
        assert states == [PassStatus.ISSUED, PassStatus.REDEEMED]
    admitted, _ = conversation.answer_photo(say("photo", 3), picture).split("\n")
    assert admitted.startswith("✓")
    used, about = conversation.answer_photo(say("photo", 4), picture).split("\n")
    assert used.startswith("✗ Used before")
    assert "None of them was used" in about


@pytest.mark.parametrize("placed", [beside, below])
@pytest.mark.parametrize("good_first", [True, False])
def test_the_good_one_of_two_passes_is_redeemed(
    conversation: Conversation,
    store: Store,
    placed: Callable[[list[str]], Image.Image],
    good_first: bool,
) -> None:
    appoint(store, GATE, StaffRole.GUARD)
    good, expired = token_at(store), token_at(store, lifetime=-timedelta(seconds=1))
    texts = [good, expired] if good_first else [expired, good]
    answer = conversation.answer_photo(
        say("photo", 2), encoded(placed([address(t) for t in texts]))
    )
    assert answer.startswith("✓ Admitted at Main entrance")
    assert status_of(store, good) is PassStatus.REDEEMED


def test_a_guard_of_two_entrances_redeems_where_the_pass_belongs(
    conversation: Conversation, store: Store
) -> None:
    for gate in (GATE, OTHER_GATE):
        appoint(store, gate, StaffRole.GUARD)
    answer = conversation.answer_photo(say("photo", 2), encoded(beside([token_at(store, GATE)])))
    assert answer == "✓ Admitted at Main entrance. Let the person in."
    acts = [entry.act for entry in store.audit.page()[0]]
    assert acts[0] == "pass.scanned.admitted"
    assert "pass.scanned.wrong_gate" not in acts


def test_a_text_with_words_around_the_address_is_redeemed(
    conversation: Conversation, store: Store
) -> None:
    appoint(store, GATE, StaffRole.GUARD)
    text = f"my pass: {address(token_at(store))}. Thank you!"
    assert "Admitted" in (
        conversation.answer(ChatRequest(CHAT, "Op", "en", True, 2, "", text)) or ""
    )
