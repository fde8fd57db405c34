"""A chat that gets another id keeps what it had."""

from datetime import timedelta
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from cloud.audience import delivery_id
from cloud.contract import (
    Channel,
    Delivery,
    DeliveryStatus,
    Language,
    StaffRole,
    Subscriber,
    Topic,
)
from cloud.store import Store, now, subscriber_id
from tests.cloud.conftest import GATE, OTHER_GATE

OLD, NEW = "-4001", "-1001234567"


def subscribed(store: Store, chat: str, gate: str = GATE, **changes: object) -> Subscriber:
    subscriber = Subscriber(
        id=subscriber_id(Channel.TELEGRAM, chat),
        gate=gate,
        channel=Channel.TELEGRAM,
        address=chat,
        topics=[Topic.REFUSAL],
        language=Language.ES,
        created_at=now(),
    )
    return store.gates.subscribe(subscriber.model_copy(update=changes))


def pending(store: Store, chat: str, event_id: UUID) -> str:
    """Write a delivery to a chat, and return its id."""
    subscriber = subscriber_id(Channel.TELEGRAM, chat)
    delivery = Delivery(
        id=delivery_id(event_id, subscriber),
        event_id=event_id,
        gate=GATE,
        channel=Channel.TELEGRAM,
        address=chat,
        text="No entry",
        with_qr=False,
        status=DeliveryStatus.PENDING,
        created_at=now(),
        subscriber_id=subscriber,
    )
    assert store.outages.begin(delivery.id, now(), [delivery], now())
    return delivery.id


def test_subscriptions_roles_and_settings_follow_the_chat(store: Store) -> None:
    subscribed(store, OLD)
    subscribed(store, OLD, OTHER_GATE)
    subscribed(store, "77")
    code = store.staff.new_code(GATE, StaffRole.OPERATOR, timedelta(minutes=5), now()).code
    store.staff.pair(code, OLD, "The door", now())
    store.chats.speak(OLD, Language.ES)
    until = now() + timedelta(hours=2)
    store.chats.mute(OLD, until)
    store.visitors.join(GATE, "1", now(), timedelta(minutes=10))
    store.visitors.join(GATE, OLD, now(), timedelta(minutes=10), Language.ES)
    store.visitors.join(GATE, "2", now(), timedelta(minutes=10))

    assert store.migration.move(OLD, NEW, now())

    assert {(each.id, each.address) for each in store.gates.subscribers(GATE)} == {
        (subscriber_id(Channel.TELEGRAM, NEW), NEW),
        (subscriber_id(Channel.TELEGRAM, "77"), "77"),
    }
    (moved,) = store.gates.subscribers(OTHER_GATE)
    assert (moved.address, moved.topics, moved.language) == (NEW, [Topic.REFUSAL], Language.ES)
    assert store.gates.of_address(Channel.TELEGRAM, NEW) == [OTHER_GATE, GATE]
    assert store.gates.of_address(Channel.TELEGRAM, OLD) == []
    (member,) = store.staff.of_chat(NEW)
    assert (member.chat, member.role) == (NEW, StaffRole.OPERATOR)
    assert store.staff.of_chat(OLD) == []
    assert store.chats.language(NEW) is Language.ES
    assert store.chats.language(OLD) is None
    muted = store.chats.muted_until(NEW, now())
    assert muted is not None
    assert abs(muted - until) < timedelta(seconds=1)
    assert store.visitors.place(NEW, now()) == (GATE, 1)
    assert store.visitors.place(OLD, now()) is None
    assert (store.migration.moved_to(OLD), store.migration.moved_from(NEW)) == (NEW, OLD)
    trail, _ = store.audit.page()
    assert {(entry.act, entry.subject, entry.gate) for entry in trail} == {
        ("chat.moved", f"chat:{OLD}", GATE),
        ("chat.moved", f"chat:{OLD}", OTHER_GATE),
    }
    assert NEW in trail[0].reason


def test_a_second_move_changes_nothing(store: Store) -> None:
    subscribed(store, OLD)
    assert store.migration.move(OLD, NEW, now())
    held, trail = store.gates.subscribers(GATE), store.audit.page()
    assert not store.migration.move(OLD, NEW, now())
    assert not store.migration.move(NEW, NEW, now())
    assert store.gates.subscribers(GATE) == held
    assert store.audit.page() == trail


def test_what_the_new_id_has_already_stays(store: Store) -> None:
    subscribed(store, OLD)
    mine = subscribed(store, NEW, language=Language.EN)
    store.chats.speak(OLD, Language.ES)
    store.chats.speak(NEW, Language.EN)
    assert store.migration.move(OLD, NEW, now())
    assert store.gates.subscribers(GATE) == [mine]
    assert store.chats.language(NEW) is Language.EN


@pytest.mark.parametrize("unknown", ["-1", "5"])
def test_a_chat_of_which_nothing_is_kept_moves_nothing(store: Store, unknown: str) -> None:
    assert not store.migration.move(unknown, NEW, now())
    assert store.migration.moved_to(unknown) is None
    assert store.audit.page()[0] == []


def test_deliveries_that_were_not_sent_go_to_the_new_id(store: Store) -> None:
    subscribed(store, OLD)
    waiting, failed, sent, anothers = (
        pending(store, chat, uuid7()) for chat in (OLD, OLD, OLD, "77")
    )
    store.deliveries.settle(failed, DeliveryStatus.FAILED, now(), "moved")
    store.deliveries.settle(sent, DeliveryStatus.SENT, now(), message_id="9")
    store.migration.move(OLD, NEW, now())
    addressed = {
        each.id: each.address
        for each in store.deliveries.page(gate=GATE, status=None, before=None, limit=9)[0]
    }
    assert addressed == {waiting: NEW, failed: NEW, sent: OLD, anothers: "77"}
    held = store.deliveries.get(waiting)
    assert held is not None
    assert held.subscriber_id == subscriber_id(Channel.TELEGRAM, NEW)
    assert held.status is DeliveryStatus.PENDING

    late = pending(store, OLD, uuid7())
    store.migration.readdress([late, anothers, "none"], OLD, NEW)
    addressed = {
        each.id: each.address
        for each in store.deliveries.page(gate=GATE, status=None, before=None, limit=9)[0]
    }
    assert (addressed[late], addressed[anothers]) == (NEW, "77")
