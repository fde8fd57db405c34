"""Telegram's updates as questions, and answers as messages. Whatever comes, nothing is raised."""

import asyncio
from dataclasses import replace
from typing import Any

import structlog
from telegram import CallbackQuery, Chat, ChatMember, Message, Update
from telegram.error import BadRequest, ChatMigrated, Forbidden, TelegramError
from telegram.ext import (
    Application,
    CallbackQueryHandler,
    ChatMemberHandler,
    ContextTypes,
    MessageHandler,
    filters,
)

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
        application.add_handler(
            ChatMemberHandler(self._on_membership, ChatMemberHandler.MY_CHAT_MEMBER)
        )
        application.add_error_handler(report)

    async def slow_down(self, update: Update) -> None:
        """Ask the sender of an update whose messages are dropped to send fewer."""
        message = update.message
        if message is None:
            return
        said = _written(message, "", "")
        text = await asyncio.to_thread(self._conversation.refuse, said, "slow_down")
        await message.reply_text(text)

    async def _on_message(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        message = update.effective_message
        if message is None:
            return
        if message.migrate_to_chat_id is not None or message.migrate_from_chat_id is not None:
            await self._move(message)
            return
        said = None if _is_service(message) else said_in(message, context.bot.username)
        if said is None:
            return
        if await asyncio.to_thread(self._conversation.asks_for_administrator, said):
            said = replace(said, administrator=await _administers(message))
        text = await asyncio.to_thread(self._conversation.answer, said)
        if text is not None:
            await message.reply_text(text[:LONGEST_TEXT])

    async def _move(self, message: Message) -> None:
        """Follow a group that became a supergroup; both chats are told of it."""
        here = str(message.chat.id)
        if message.migrate_to_chat_id is not None:
            old, new = here, str(message.migrate_to_chat_id)
        else:
            old, new = str(message.migrate_from_chat_id), here
        await asyncio.to_thread(self._conversation.move, old, new)

    async def _on_membership(self, update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        change = update.my_chat_member
        if change is None:
            return
        status = change.new_chat_member.status
        gone = status in {ChatMember.BANNED, ChatMember.LEFT}
        follow = self._conversation.leave if gone else self._conversation.come_back
        await asyncio.to_thread(follow, str(change.chat.id))

    async def _on_picture(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        message = update.effective_message
        if message is None or message.chat.type != Chat.PRIVATE:
            return
        said = _written(message, "", "")
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
                log.warning("picture_not_fetched", reason=str(error))
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
            await _told(query, "")
            return
        done = await asyncio.to_thread(self._conversation.acknowledge, said, query.data or "")
        await _told(query, done.word)
        again = False
        for alert, text in done.edits:
            try:
                await context.bot.edit_message_text(
                    text[:LONGEST_TEXT], chat_id=int(alert.chat), message_id=alert.message_id
                )
            except (BadRequest, Forbidden, ChatMigrated) as error:
                # Edited already by a press before, or gone: what counts is written down.
                log.info("alert_not_edited", reason=str(error))
            except TelegramError as error:
                log.warning("alert_edit_postponed", reason=str(error))
                again = True
        if again and done.event_id is not None:
            await asyncio.to_thread(self._conversation.show_later, done.event_id)


def said_in(message: Message, username: str) -> Said | None:
    """Return what a message says; None for a command to another bot, and a group's small talk."""
    text = message.text or message.caption or ""
    private = message.chat.type == Chat.PRIVATE
    if not text.startswith("/"):
        if not private:
            return None
        return _written(message, "", text)
    first, *rest = text.split(maxsplit=1)
    command, _, addressee = first[1:].partition("@")
    if addressee and addressee.lower() != username.lower():
        return None
    return _written(message, command.lower(), rest[0] if rest else "")


async def _told(query: CallbackQuery, word: str) -> None:
    """Answer a press. A query lives for some seconds only, and what it does must not rest on it."""
    try:
        await query.answer(word[:200] or None)
    except TelegramError as error:
        log.info("press_unanswered", reason=str(error))


async def _administers(message: Message) -> bool | None:
    """Return whether who wrote administers the group; None where Telegram does not tell."""
    if message.sender_chat is not None:
        # Only administrators may write in the name of their group.
        return message.sender_chat.id == message.chat.id
    if message.from_user is None:
        return False
    try:
        member = await message.chat.get_member(message.from_user.id)
    except BadRequest:
        return False
    except TelegramError as error:
        log.warning("administrator_unknown", chat=message.chat.id, reason=str(error))
        return None
    return member.status in {ChatMember.OWNER, ChatMember.ADMINISTRATOR}


def _pressed(query: CallbackQuery) -> Said | None:
    # The message may be too old for Telegram to say more than its number and its chat.
    message, person = query.message, query.from_user
    if message is None:
        return None
    return Said(
        chat=str(message.chat.id),
        name=person.full_name,
        language_code=person.language_code or "",
        private=message.chat.type == Chat.PRIVATE,
        message_id=message.message_id,
        command="",
        rest="",
        person=str(person.id),
    )


def _written(message: Message, command: str, rest: str) -> Said:
    chat, person = message.chat, message.from_user
    if message.sender_chat is not None:
        # The person that Telegram names beside a sender_chat stands for nobody.
        name, language_code, person_id = message.sender_chat.effective_name, "", ""
    elif person is not None:
        name, language_code = person.full_name, person.language_code or ""
        person_id = str(person.id)
    else:
        name, language_code, person_id = chat.effective_name, "", ""
    return Said(
        chat=str(chat.id),
        name=name or str(chat.id),
        language_code=language_code,
        private=chat.type == Chat.PRIVATE,
        message_id=message.message_id,
        command=command,
        rest=rest[:LONGEST_TEXT],
        person=person_id,
        forwarded=message.forward_origin is not None or bool(message.is_automatic_forward),
    )


def _is_service(message: Message) -> bool:
    """Whether Telegram tells of something (somebody joined, …) rather than a person."""
    return filters.StatusUpdate.ALL.check_update(Update(0, message=message)) is True


async def report(_update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
    """Write down what went wrong with an update; the next is answered all the same."""
    log.error("update_failed", reason=f"{type(context.error).__name__}: {context.error}")
