"""Telegram's updates as questions, and answers as messages. Whatever comes, nothing is raised."""

import asyncio
from typing import Any

import structlog
from telegram import CallbackQuery, Chat, Message, Update, User
from telegram.error import BadRequest, Conflict, Forbidden, TelegramError
from telegram.ext import Application, CallbackQueryHandler, ContextTypes, MessageHandler, filters

from cloud.bot.codes import LARGEST_BYTES
from cloud.bot.conversation import Conversation, Said

log = structlog.get_logger("cloud.bot")

LONGEST_TEXT = 4096
"""Characters in a message (https://core.telegram.org/bots/api#sendmessage)."""

PICTURES_AT_ONCE = 1
"""A picture of 40 million pixels takes a core for a second, and commands need the other."""

Bot = Application[Any, Any, Any, Any, Any, Any]


class Handlers:
    """Talks to one bot's chats."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._reading = asyncio.Semaphore(PICTURES_AT_ONCE)

    def add_to(self, application: Bot) -> None:
        """Let these handlers answer for the application."""
        pictures = filters.PHOTO | filters.Document.IMAGE
        fresh = filters.UpdateType.MESSAGE
        application.add_handler(MessageHandler(fresh & pictures, self._on_picture))
        application.add_handler(MessageHandler(fresh, self._on_message))
        application.add_handler(CallbackQueryHandler(self._on_button))
        application.add_error_handler(report)

    async def slow_down(self, update: Update) -> None:
        """Ask the sender of an update whose messages are dropped to send fewer."""
        message = update.message
        if message is None:
            return
        said = _said(message.chat, message.from_user, message.message_id, "", "")
        text = await asyncio.to_thread(self._conversation.refuse, said, "slow_down")
        await message.reply_text(text)

    async def _on_message(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        message = update.effective_message
        if message is None or _is_service(message):
            return
        said = said_in(message, context.bot.username)
        if said is None:
            return
        text = await asyncio.to_thread(self._conversation.answer, said)
        if text is not None:
            await message.reply_text(text[:LONGEST_TEXT])

    async def _on_picture(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        message = update.effective_message
        if message is None or message.chat.type != Chat.PRIVATE:
            return
        said = _said(message.chat, message.from_user, message.message_id, "", "")
        # The last size is the largest (https://core.telegram.org/bots/api#message).
        picture = message.photo[-1] if message.photo else message.document
        if picture is None:
            return
        # A stranger's picture is neither fetched nor read.
        text = await asyncio.to_thread(self._conversation.turned_away, said)
        if text is None and (picture.file_size or 0) > LARGEST_BYTES:
            text = await asyncio.to_thread(self._conversation.refuse, said, "too_large")
        if text is None:
            try:
                file = await context.bot.get_file(picture.file_id)
                content = bytes(await file.download_as_bytearray())
            except TelegramError as error:
                log.warning("a picture could not be fetched", reason=str(error))
                text = await asyncio.to_thread(self._conversation.refuse, said, "no_picture")
            else:
                async with self._reading:
                    text = await asyncio.to_thread(self._conversation.look, said, content)
        await message.reply_text(text)

    async def _on_button(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        query = update.callback_query
        if query is None:
            return
        said = _pressed(query)
        if said is None:
            await query.answer()
            return
        done = await asyncio.to_thread(self._conversation.acknowledge, said, query.data or "")
        await query.answer(done.word[:200])
        for alert, text in done.edits:
            try:
                await context.bot.edit_message_text(
                    text[:LONGEST_TEXT], chat_id=int(alert.chat), message_id=alert.message_id
                )
            except (BadRequest, Forbidden) as error:
                # Edited already by a press before, or gone: what counts is written down.
                log.info("an alert was not edited", reason=str(error))


def said_in(message: Message, username: str) -> Said | None:
    """Return what a message says; None for a command to another bot, and a group's small talk."""
    text = message.text or message.caption or ""
    private = message.chat.type == Chat.PRIVATE
    if not text.startswith("/"):
        if not private:
            return None
        return _said(message.chat, message.from_user, message.message_id, "", text)
    first, _, rest = text.partition(" ")
    command, _, addressee = first[1:].partition("@")
    if addressee and addressee.lower() != username.lower():
        return None
    return _said(message.chat, message.from_user, message.message_id, command.lower(), rest)


def _pressed(query: CallbackQuery) -> Said | None:
    if query.message is None:
        return None
    return _said(query.message.chat, query.from_user, query.message.message_id, "", "")


def _said(chat: Chat, person: User | None, message_id: int, command: str, rest: str) -> Said:
    return Said(
        chat=str(chat.id),
        name=(person.full_name if person is not None else chat.effective_name) or str(chat.id),
        language_code=(person.language_code if person is not None else None) or "",
        private=chat.type == Chat.PRIVATE,
        message_id=message_id,
        command=command,
        rest=rest[:LONGEST_TEXT],
    )


def _is_service(message: Message) -> bool:
    """Whether Telegram tells of something (somebody joined, …) rather than a person."""
    return filters.StatusUpdate.ALL.check_update(Update(0, message=message)) is True


async def report(_update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
    """Write down what went wrong with an update; the next is answered all the same."""
    if isinstance(context.error, Conflict):
        log.error("another bot polls with this token; run one only")
        return
    log.error("an update failed", reason=f"{type(context.error).__name__}: {context.error}")
