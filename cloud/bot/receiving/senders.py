"""The sender of an update, as far as the store can know them."""

import structlog
from telegram import Chat, Message, Update

from cloud import invitations
from cloud.store import Sender

log = structlog.get_logger("cloud.bot")


def sender_of(update: Update) -> Sender | None:
    """Return who sent an update; None where nobody gets an answer, so that it is not kept."""
    try:
        return _sender(update)
    except AttributeError as error:  # the library reads an object though parts of it are missing
        log.warning("update_unreadable", update_id=update.update_id, reason=str(error))
        return None


def is_private(update: Update) -> bool:
    """Return whether an update comes from a chat with a single person."""
    chat = update.effective_chat
    return chat is not None and chat.type == Chat.PRIVATE


def _sender(update: Update) -> Sender | None:
    if update.callback_query is not None:
        query = update.callback_query
        chat = str(query.message.chat.id) if query.message is not None else ""
        return Sender(chat or str(query.from_user.id), str(query.from_user.id))
    if update.my_chat_member is not None:
        chat = str(update.my_chat_member.chat.id)
        return Sender(chat, chat)
    message = update.message
    if message is None or not _may_be_answered(message):
        return None
    chat = str(message.chat.id)
    who = message.sender_chat or message.from_user
    payload = _start_payload(message)
    code = payload.removeprefix(invitations.GATE_PREFIX)
    is_link = code != payload
    return Sender(
        chat,
        str(who.id) if who is not None else chat,
        gate_code=code if is_link else "",
        pairing_code="" if is_link else payload,
    )


def _may_be_answered(message: Message) -> bool:
    """Return whether a message may get an answer; other bots and a group's small talk get none."""
    if message.migrate_to_chat_id is not None or message.migrate_from_chat_id is not None:
        return True
    person = message.from_user
    # To Telegram a group's anonymous administrator is a bot, and has a sender_chat.
    if message.sender_chat is None and person is not None and person.is_bot:
        return False
    return message.chat.type == Chat.PRIVATE or (message.text or message.caption or "").startswith(
        "/"
    )


def _start_payload(message: Message) -> str:
    """Return the text after /start, or nothing."""
    first, *rest = (message.text or "").split(maxsplit=1)[:2] or [""]
    command = first.partition("@")[0].lower()
    return rest[0].strip() if command == "/start" and rest else ""
