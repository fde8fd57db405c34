"""A flood of messages does not keep the bot from answering staff and visitors."""

import io
from datetime import timedelta

import pytest
from PIL import Image

from cloud.contract import StaffRole
from cloud.store import Store, now
from tests.cloud.conftest import GATE
from tests.doubles.bot_api import BotApiDouble

FLOODER = 7_000
VISITOR = 42


def answered_before_the_flood(chats: BotApiDouble, chat: int) -> int:
    """Wait until a chat is answered; return how many messages others had been sent by then."""
    chats.wait_until(
        lambda: any(each.chat_id == str(chat) for each in chats.messages), 60, f"word to {chat}"
    )
    sent = [each.chat_id for each in chats.messages]
    return sent.index(str(chat))


def test_sixty_messages_of_one_chat_hold_no_other_and_most_are_dropped(
    chats: BotApiDouble, store: Store
) -> None:
    for _ in range(60):
        chats.receive(FLOODER, "/help")
    chats.receive(VISITOR, f"/start gate_{store.visitors.code(GATE)}")
    # One chat is sent one message a second; ten of the sixty may wait for theirs.
    assert answered_before_the_flood(chats, VISITOR) <= 5
    chats.wait_until(
        lambda: any("more than I can answer" in each.text for each in chats.messages),
        60,
        "the word that messages are left out",
    )
    # What is said now is dealt with after all that was let in.
    chats.receive(FLOODER + 1, "/help")
    answered_before_the_flood(chats, FLOODER + 1)
    to_flooder = [each.text for each in chats.messages if each.chat_id == str(FLOODER)]
    assert len(to_flooder) <= 12
    assert sum("more than I can answer" in text for text in to_flooder) == 1


def test_a_strangers_photos_are_neither_fetched_nor_read(chats: BotApiDouble, store: Store) -> None:
    file = io.BytesIO()
    Image.effect_noise((1_000, 1_000), 80).save(file, "JPEG")
    fetched = chats.calls.count("getFile")
    for chat in range(20):
        chats.photograph(FLOODER + 1_000 + chat, file.getvalue())
    chats.wait_until(
        lambda: sum("for guards and operators" in each.text for each in chats.messages) == 20,
        60,
        "an answer to each",
    )
    assert chats.calls.count("getFile") == fetched


@pytest.mark.parametrize("text", ["hello", "/help@another_bot"])
def test_a_groups_small_talk_costs_nothing(chats: BotApiDouble, store: Store, text: str) -> None:
    for _ in range(100):
        chats.receive(-FLOODER, text, kind="supergroup")
    # The hundred count for nothing: what the same people ask the bot is answered.
    chats.receive(-FLOODER, "/help", kind="supergroup")
    if text == "hello":
        answered_before_the_flood(chats, -FLOODER)
    else:
        chats.receive(VISITOR + 3, "/help")
        answered_before_the_flood(chats, VISITOR + 3)


def test_a_thousand_messages_of_five_hundred_chats_go_after_a_visitor_and_a_guard(
    chats: BotApiDouble, store: Store
) -> None:
    code = store.staff.new_code(GATE, StaffRole.GUARD, timedelta(minutes=5), now()).code
    for chat in range(500):
        for _ in range(2):
            chats.receive(FLOODER + 100 + chat, "/help")
    chats.receive(VISITOR + 1, f"/start gate_{store.visitors.code(GATE)}")
    chats.receive(VISITOR + 2, f"/start {code}")
    assert answered_before_the_flood(chats, VISITOR + 1) < 250
    assert answered_before_the_flood(chats, VISITOR + 2) < 250
    assert "a guard at" in next(
        each.text for each in chats.messages if each.chat_id == str(VISITOR + 2)
    )
