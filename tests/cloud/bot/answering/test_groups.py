"""The rights of a group's members, and the settings that follow a group to its new id."""

from datetime import timedelta
from typing import Any

import pytest

from cloud.contract import AuditEntry, Channel, StaffRole, Subscriber
from cloud.store import Store, now, subscriber_id
from tests.cloud.conftest import GATE, OTHER_GATE
from tests.doubles.bot_api import BotApiDouble

GROUP = -100_200_300
MEMBER, GUARD, OPERATOR, OF_ANOTHER_GATE, ADMINISTRATOR = 21, 22, 23, 24, 25
ANONYMOUS = {"sender_chat": {"id": GROUP, "type": "supergroup", "title": "The door"}}
CHANNEL = {"sender_chat": {"id": -100_999, "type": "channel", "title": "Another"}}


@pytest.fixture
def group(chats: BotApiDouble, store: Store) -> BotApiDouble:
    """Return the double with a group that gets a gate's alerts, and with staff in the group."""
    subscribed(store, GROUP)
    for person, gate, role in (
        (GUARD, GATE, StaffRole.GUARD),
        (OPERATOR, GATE, StaffRole.OPERATOR),
        (OF_ANOTHER_GATE, OTHER_GATE, StaffRole.OPERATOR),
    ):
        code = store.staff.new_code(gate, role, timedelta(minutes=5), now()).code
        assert store.staff.pair(code, str(person), "Op", now()) is not None
    chats.administrators = {(str(GROUP), str(ADMINISTRATOR))}
    return chats


def subscribed(store: Store, chat: int) -> None:
    store.gates.subscribe(
        Subscriber(
            id=subscriber_id(Channel.TELEGRAM, str(chat)),
            gate=GATE,
            channel=Channel.TELEGRAM,
            address=str(chat),
            created_at=now(),
        )
    )


def said(api: BotApiDouble, text: str, person: int, **more: Any) -> str:
    before = len(api.messages)
    api.receive(GROUP, text, kind="supergroup", person=person, **more)
    return api.wait_for_messages(before + 1, timeout_s=60)[before].text


def trail(store: Store) -> list[AuditEntry]:
    return store.audit.page()[0]


@pytest.mark.parametrize("person", [MEMBER, GUARD, OF_ANOTHER_GATE])
@pytest.mark.parametrize("text", ["/mute 7d", "/MUTE\n7d", "/mute off", "/language es"])
def test_a_member_of_a_group_neither_mutes_it_nor_changes_its_language(
    group: BotApiDouble, store: Store, person: int, text: str
) -> None:
    store.chats.mute(str(GROUP), now() + timedelta(minutes=1))
    assert "administrators, and for operators" in said(group, text, person)
    until = store.chats.muted_until(str(GROUP), now())
    assert until is not None
    assert until < now() + timedelta(hours=1)
    assert store.chats.language(str(GROUP)) is None
    assert trail(store) == []


@pytest.mark.parametrize(
    ("person", "more", "actor"),
    [
        (OPERATOR, {}, f"chat:{OPERATOR}"),
        (ADMINISTRATOR, {}, f"chat:{ADMINISTRATOR}"),
        (1087968824, ANONYMOUS, f"chat:{GROUP}"),
    ],
)
def test_operators_and_administrators_mute_a_group_and_the_trail_says_who(
    group: BotApiDouble, store: Store, person: int, more: dict[str, Any], actor: str
) -> None:
    assert "muted until" in said(group, "/mute 2h", person, **more)
    assert store.chats.muted_until(str(GROUP), now()) is not None
    assert "come through" in said(group, "/mute off", person, **more)
    assert store.chats.muted_until(str(GROUP), now()) is None
    unmuted, muted = trail(store)
    assert (muted.actor, muted.act, muted.gate) == (actor, "chat.muted", GATE)
    assert muted.subject == f"chat:{GROUP}"
    assert "(2h)" in muted.detail
    assert (unmuted.actor, unmuted.act) == (actor, "chat.unmuted")


def test_an_operator_changes_a_groups_language(group: BotApiDouble, store: Store) -> None:
    assert "español" in said(group, "/language ES", OPERATOR)
    (entry,) = trail(store)
    assert (entry.act, entry.actor) == ("chat.language_changed", f"chat:{OPERATOR}")


def test_whoever_writes_in_the_name_of_a_channel_is_nobody(
    group: BotApiDouble, store: Store
) -> None:
    # Beside a sender_chat Telegram names a person for old clients: it is not who wrote.
    assert "administrators, and for operators" in said(group, "/mute 7d", OPERATOR, **CHANNEL)
    assert store.chats.muted_until(str(GROUP), now()) is None


def test_where_telegram_does_not_tell_who_administers_nothing_is_changed(
    group: BotApiDouble, store: Store
) -> None:
    group.refuse_calls("getChatMember", 500, "Internal Server Error", times=3)
    assert "Telegram did not tell" in said(group, "/mute 7d", MEMBER)
    assert store.chats.muted_until(str(GROUP), now()) is None


def test_a_forwarded_command_is_not_followed(group: BotApiDouble, store: Store) -> None:
    origin = {"type": "hidden_user", "sender_user_name": "Eve", "date": 0}
    group.receive(OPERATOR, "/mute 7d", forward_origin=origin)
    assert "forwarded" in group.wait_for_messages(1, timeout_s=60)[0].text
    assert store.chats.muted_until(str(OPERATOR), now()) is None


@pytest.mark.parametrize("text", ["/pass no mask fits", "/scan 7Kq2mXw9RtB4z", "/start abcdefgh"])
def test_passes_and_pairing_are_for_private_chats(
    group: BotApiDouble, store: Store, text: str
) -> None:
    assert "chat of our own" in said(group, text, OPERATOR)


def test_an_operator_mutes_a_private_chat_that_is_told_and_the_trail_says_so(
    group: BotApiDouble, store: Store
) -> None:
    subscribed(store, OPERATOR)
    group.receive(OPERATOR, "/mute 1d")
    group.wait_for_messages(1, timeout_s=60)
    (entry,) = trail(store)
    assert (entry.act, entry.subject) == ("chat.muted", f"chat:{OPERATOR}")
    # What a stranger mutes concerns nobody, and fills no trail.
    group.receive(MEMBER, "/mute 1d")
    group.wait_for_messages(2, timeout_s=60)
    assert len(trail(store)) == 1


@pytest.mark.parametrize("told_by", ["the old chat", "the new chat"])
def test_a_group_that_becomes_a_supergroup_is_told_of_its_gates_still(
    chats: BotApiDouble, store: Store, told_by: str
) -> None:
    old, new = -4_001, -100_400_100
    subscribed(store, old)
    store.chats.mute(str(old), now() + timedelta(hours=1))
    if told_by == "the old chat":
        chats.receive(old, kind="group", migrate_to_chat_id=new)
    else:
        chats.receive(new, kind="supergroup", migrate_from_chat_id=old)
    chats.receive(new, "/status", kind="supergroup")
    status = chats.wait_for_messages(1, timeout_s=60)[0].text
    if told_by == "the new chat":  # one chat's messages are dealt with in order
        assert f"told of: {GATE}" in status
        assert "muted until" in status
    while store.gates.of_address(Channel.TELEGRAM, str(new)) != [GATE]:
        chats.receive(new + 1, "/help", kind="supergroup")
        chats.wait_for_messages(len(chats.messages) + 1, timeout_s=60)
    assert store.gates.of_address(Channel.TELEGRAM, str(old)) == []
    assert [entry.act for entry in trail(store)] == ["chat.moved"]


def membership(chat: int, status: str) -> dict[str, Any]:
    bot = {"id": 123456, "is_bot": True, "first_name": "Gate"}
    banned = {"until_date": 0} if status == "kicked" else {}
    return {
        "my_chat_member": {
            "chat": {"id": chat, "type": "private", "first_name": "Ada"},
            "from": {"id": chat, "is_bot": False, "first_name": "Ada"},
            "date": 0,
            "old_chat_member": {"status": "member", "user": bot},
            "new_chat_member": {"status": status, "user": bot, **banned},
        }
    }


def test_a_chat_that_blocks_the_bot_is_told_nothing_more_until_it_comes_back(
    chats: BotApiDouble, store: Store
) -> None:
    subscribed(store, 51)
    store.visitors.join(GATE, "51", now(), timedelta(minutes=10))
    chats.push(membership(51, "kicked"))
    chats.receive(51, "/help")  # dealt with after it
    chats.wait_for_messages(1, timeout_s=60)
    (held,) = store.gates.subscribers(GATE)
    assert held.suspended_at is not None
    assert "blocked" in held.suspended_reason
    assert store.visitors.waiting(GATE, now()) == 0
    chats.push(membership(51, "member"))
    chats.receive(51, "/help")
    chats.wait_for_messages(2, timeout_s=60)
    (held,) = store.gates.subscribers(GATE)
    assert held.suspended_at is None
    assert [entry.act for entry in trail(store)] == ["subscriber.resumed", "subscriber.suspended"]
