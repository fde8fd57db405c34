"""Parsing of requests: a message of Telegram, or a press of a button, becomes a ChatRequest."""

from telegram import CallbackQuery, Chat, Message, Update
from telegram.ext import filters

from cloud.bot.answering.chat_request import ChatRequest

LONGEST_TEXT = 4096
"""Characters in a message (https://core.telegram.org/bots/api#sendmessage)."""


def request_of_message(message: Message, bot_name: str) -> ChatRequest | None:
    """Read a message.

    Args:
        message: The message.
        bot_name: The bot's name in Telegram.

    Returns:
        The request; None for a command to another bot, a group's small talk, and a notice of
        Telegram.
    """
    if _is_notice(message):
        return None
    text = message.text or message.caption or ""
    if not text.startswith("/"):
        is_private = message.chat.type == Chat.PRIVATE
        return chat_request(message, text=text) if is_private else None
    first, *rest = text.split(maxsplit=1)
    command, _, addressee = first[1:].partition("@")
    if addressee and addressee.lower() != bot_name.lower():
        return None
    return chat_request(message, command=command.lower(), text=rest[0] if rest else "")


def request_of_press(query: CallbackQuery) -> ChatRequest | None:
    """Return the request that a press of a button is; None where Telegram does not say where."""
    # The message may be too old for Telegram to say more than its number and its chat.
    message, person = query.message, query.from_user
    if message is None:
        return None
    return ChatRequest(
        chat=str(message.chat.id),
        name=person.full_name,
        language_code=person.language_code or "",
        private=message.chat.type == Chat.PRIVATE,
        message_id=message.message_id,
        command="",
        text="",
        person=str(person.id),
    )


def chat_request(message: Message, *, command: str = "", text: str = "") -> ChatRequest:
    """Return a request with the chat and the person of a message."""
    chat, person = message.chat, message.from_user
    if message.sender_chat is not None:
        # Telegram names a person beside a sender_chat only for old clients: nobody wrote it.
        name, language_code, person_id = message.sender_chat.effective_name, "", ""
    elif person is not None:
        name, language_code = person.full_name, person.language_code or ""
        person_id = str(person.id)
    else:
        name, language_code, person_id = chat.effective_name, "", ""
    return ChatRequest(
        chat=str(chat.id),
        name=name or str(chat.id),
        language_code=language_code,
        private=chat.type == Chat.PRIVATE,
        message_id=message.message_id,
        command=command,
        text=text[:LONGEST_TEXT],
        person=person_id,
        forwarded=message.forward_origin is not None or bool(message.is_automatic_forward),
    )


def _is_notice(message: Message) -> bool:
    """Return whether Telegram itself reports something (such as a new member of a group)."""
    return filters.StatusUpdate.ALL.check_update(Update(0, message=message)) is True
