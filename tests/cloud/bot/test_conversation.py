"""What a conversation comes to where no transcript tells it."""

from datetime import datetime, timedelta

import pytest

from cloud.bot.conversation import Conversation, Said
from cloud.contract import Delivery, Gate, PassStatus, StaffRole
from cloud.store import Store, now
from cloud.store.gates import Gates
from tests.cloud.conftest import GATE, OTHER_GATE

CHAT = "604"


def say(text: str, message_id: int = 1) -> Said:
    command, _, rest = text.removeprefix("/").partition(" ")
    return Said(CHAT, "Op", "en", True, message_id, command, rest)


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
    """Gates that answer what they were when the test began, as a look of some moments ago does."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.client)
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
    store.client.hdel("mg:gates", GATE)
    said = conversation.answer(say(f"/scan {token}", 2))
    assert said == "✓ Admitted at Back entrance. Let the person in."
    store.client.hdel("mg:gates", OTHER_GATE)
    said = conversation.answer(say(f"/scan {token}", 3))
    assert "There is no entrance" in (said or "")
