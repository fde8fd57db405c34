"""The bot goes on answering, whatever Telegram sends."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from PIL import Image

from cloud import invitations, qr
from cloud.contract import Event, Label, Language, StaffRole
from cloud.store import Store, now
from tests.cloud import door
from tests.cloud.conftest import GATE, OTHER_GATE
from tests.doubles.bot_api import BotApiDouble

Make = Callable[..., Event]

PERSON = {"id": 42, "is_bot": False, "first_name": "Ada"}
CHAT = {"id": 42, "type": "private", "first_name": "Ada"}
GROUP = {"id": -100200300, "type": "supergroup", "title": "The door"}


def message(**content: Any) -> dict[str, Any]:
    return {"message": {"message_id": 1, "date": 0, "chat": CHAT, "from": PERSON, **content}}


STICKER = {
    **{"file_id": "a", "file_unique_id": "a", "width": 1, "height": 1, "type": "regular"},
    **{"is_animated": False, "is_video": False},
}

HOSTILE: list[dict[str, Any]] = [
    {},
    {"unheard_of": {"x": 1}},
    {"edited_message": message(text="/start")["message"]},
    {"channel_post": {"message_id": 1, "date": 0, "chat": {"id": -1, "type": "channel"}}},
    {"my_chat_member": {}},
    message(),
    message(text="/" * 4096),
    message(text="/start " + "x" * 4000),
    message(text="/start gate_"),
    message(text="/start gate_../../etc"),
    message(text="/start \u202egate_\u0000\ud83d\ude00"),
    message(text="/mute 99999999999999999999d"),
    message(text="/language \u2028"),
    message(text="/scan " + "é" * 2000),
    message(sticker=STICKER),
    message(new_chat_members=[PERSON]),
    message(photo=[]),
    message(**{"from": None, "text": "/status"}),
    {"callback_query": {"id": "1", "from": PERSON, "chat_instance": "i"}},
]


@pytest.mark.parametrize("update", HOSTILE)
def test_a_hostile_update_breaks_nothing(
    chats: BotApiDouble, store: Store, update: dict[str, Any]
) -> None:
    chats.push(update)
    # Chats of their own: one chat is sent one message a second.
    chats.receive(4242, "/language en")
    sent = chats.wait_for_messages(1, timeout_s=60)
    while not any(each.chat_id == "4242" for each in sent):
        sent = chats.wait_for_messages(len(sent) + 1, timeout_s=60)
    assert [each.chat_id for each in sent].count("4242") == 1


@pytest.mark.parametrize("fails", [BotApiDouble.break_down, BotApiDouble.cut])
def test_a_person_is_answered_though_a_try_at_it_fails(
    chats: BotApiDouble, store: Store, fails: Callable[[BotApiDouble], None]
) -> None:
    fails(chats)
    # A chat of its own: one chat is sent one message a second.
    chats.receive(77, "/help")
    (answer,) = chats.wait_for_messages(1, timeout_s=60)
    assert answer.chat_id == "77"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello everybody", None),
        ("/help@another_bot", None),
        ("/scan 7Kq2mXw9RtB4z", "chat of our own"),
        ("/start gate_abc", "chat of our own"),
        ("/status@gate_bot", "told of no gate"),
    ],
)
def test_in_a_group_the_bot_answers_what_is_fit_for_all(
    chats: BotApiDouble, store: Store, text: str, said: str | None
) -> None:
    chats.receive(-100200300, text, kind="supergroup")
    chats.receive(77, "/help")
    sent = chats.wait_for_messages(1 if said is None else 2, timeout_s=60)
    in_group = [each.text for each in sent if each.chat_id == "-100200300"]
    assert (said is None and not in_group) or (said is not None and said in in_group[0])


def png(content: str) -> bytes:
    return qr.png(content)


def staffed(store: Store, chat: str, role: StaffRole = StaffRole.GUARD, gate: str = GATE) -> None:
    code = store.staff.new_code(gate, role, timedelta(minutes=5), now()).code
    invitations.pair(store, code, chat=chat, name="Ada", language=Language.EN, now=now())


def accepted(store: Store, event: Event, gate: str = GATE) -> str:
    decision = door.accept(
        store,
        event,
        gate=gate,
        device_id="camera",
        pass_lifetime=timedelta(minutes=5),
        now=now(),
    ).decision
    return decision.issued_pass.token if decision.issued_pass is not None else ""


def test_a_guard_redeems_from_a_photo(chats: BotApiDouble, store: Store, make_event: Make) -> None:
    staffed(store, "501", gate=OTHER_GATE)
    staffed(store, "501")
    token = accepted(store, make_event())
    chats.photograph(501, png(f"https://gate.example.org/p/{token}"))
    assert "Admitted at Main entrance" in chats.wait_for_messages(1, timeout_s=60)[0].text
    chats.photograph(501, png(token))
    assert "Used before" in chats.wait_for_messages(2, timeout_s=60)[1].text


def _blank() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (300, 300), "white").save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("picture", "said_size", "said"),
    [
        (_blank(), None, "no code in this picture"),
        (b"not a picture", None, "not a picture"),
        (_blank()[:200], None, "not a picture"),
        (_blank(), 6 * 1024 * 1024, "too large"),
        (png("WIFI:S:guest;;"), None, "Not one of our passes"),
    ],
)
def test_a_photo_that_holds_no_pass_gets_a_clear_answer(
    chats: BotApiDouble, store: Store, picture: bytes, said_size: int | None, said: str
) -> None:
    staffed(store, "502")
    chats.photograph(502, picture, said_size=said_size)
    assert said in chats.wait_for_messages(1, timeout_s=60)[0].text


def test_a_stranger_redeems_nothing(chats: BotApiDouble, store: Store, make_event: Make) -> None:
    token = accepted(store, make_event())
    chats.receive(503, f"/scan {token}")
    assert "for guards and operators" in chats.wait_for_messages(1, timeout_s=60)[0].text
    chats.photograph(503, png(token))
    assert "for guards and operators" in chats.wait_for_messages(2, timeout_s=60)[1].text
    redeemed = door.redeem(
        store, scanned=token, nonce="nonce-0001", gate=GATE, key_id="reader", now=now()
    )
    assert redeemed.outcome == "admitted"


@pytest.mark.parametrize(
    "data",
    [
        "",
        "ack:",
        "ack:none",
        "ack:853bc60e-5347-4bc0-a6ad-5bb7f5486dbb",
        "ack:" + "0" * 60,
        "drop",
        "ack:\u0000",
    ],
)
def test_forged_data_of_a_button_takes_nothing_over(
    chats: BotApiDouble, store: Store, data: str
) -> None:
    chats.press(504, data)
    assert chats.wait_for_notices(1, timeout_s=60) == (
        "This alert is too old to be taken care of.",
    )


def test_a_button_of_another_gates_alert_takes_nothing_over(
    chats: BotApiDouble, store: Store, make_event: Make
) -> None:
    staffed(store, "505", StaffRole.OPERATOR)
    event = make_event(Label.WITHOUT_MASK)
    accepted(store, event)
    chats.press(506, f"ack:{event.id}")
    assert "another gate" in chats.wait_for_notices(1, timeout_s=60)[0]
    (delivery,), _ = store.deliveries.page(gate=GATE, status=None, before=None, limit=9)
    assert delivery.acknowledged_by is None
