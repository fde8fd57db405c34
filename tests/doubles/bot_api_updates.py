"""Updates as Telegram sends them: messages, presses of buttons, and members of groups."""

import time
from typing import Any

RIGHTS = (
    *("can_be_edited", "is_anonymous", "can_manage_chat", "can_delete_messages"),
    *("can_manage_video_chats", "can_restrict_members", "can_promote_members"),
    *("can_change_info", "can_invite_users", "can_post_stories", "can_edit_stories"),
    "can_delete_stories",
)


def written(
    message_id: int, chat_id: int, text: str, *, language: str, kind: str, person: int | None
) -> dict[str, Any]:
    """Return a message; its author is `person`, or the person of a private chat."""
    content: dict[str, Any] = {}
    if text:
        first = text.split(maxsplit=1)[0] if text.strip() else text
        command = {"type": "bot_command", "offset": 0, "length": len(first)}
        content = {"text": text, "entities": [command] if text.startswith("/") else []}
    return {
        "message_id": message_id,
        "date": int(time.time()),
        "chat": _chat(chat_id, kind),
        "from": _person(abs(chat_id) if person is None else person, language),
        **content,
    }


def pressed(
    chat_id: int, data: str, message_id: int, *, person: int | None, accessible: bool
) -> dict[str, Any]:
    """Return the press of a button under a message."""
    kind = "private" if chat_id > 0 else "supergroup"
    content = {"date": int(time.time()), "text": "an alert"} if accessible else {"date": 0}
    return {
        "id": "q",
        "from": _person(abs(chat_id) if person is None else person, "en"),
        "chat_instance": "i",
        "data": data,
        "message": {"message_id": message_id, "chat": _chat(chat_id, kind), **content},
    }


def member(user: str, *, administrator: bool) -> dict[str, Any]:
    """Return the answer of getChatMember about a person."""
    known = {"user": _person(int(user), "en")}
    if not administrator:
        return {"status": "member", **known}
    return {"status": "administrator", **known, **dict.fromkeys(RIGHTS, False)}


def _person(identity: int, language: str) -> dict[str, Any]:
    return {"id": identity, "is_bot": False, "first_name": "Ada", "language_code": language}


def _chat(identity: int, kind: str) -> dict[str, Any]:
    named = {"first_name": "Ada"} if kind == "private" else {"title": "The door"}
    return {"id": identity, "type": kind, **named}
