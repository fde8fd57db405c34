"""Handlers of Telegram's updates: each asks the conversation for the answer, and sends it."""

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

from cloud.bot.answering.conversation import Conversation
from cloud.bot.answering.qr_reader import LARGEST_BYTES
from cloud.bot.request_parsing import (
    LONGEST_TEXT,
    chat_request,
    request_of_message,
    request_of_press,
)

log = structlog.get_logger("cloud.bot")

LONGEST_NOTICE = 200
"""Characters in the answer to a press (https://core.telegram.org/bots/api#answercallbackquery)."""

PHOTOS_AT_ONCE = 1
"""A photo of 40 million pixels takes a core for a second, and commands need the other core."""

Bot = Application[Any, Any, Any, Any, Any, Any]


class Handlers:
    """The handlers of one bot. Whatever an update holds, they raise nothing.

    Args:
        conversation: Finds the answers.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._reading = asyncio.Semaphore(PHOTOS_AT_ONCE)

    def add_to(self, application: Bot) -> None:
        """Add these handlers to the library's application."""
        photos = filters.PHOTO | filters.Document.IMAGE
        fresh = filters.UpdateType.MESSAGE
        application.add_handler(MessageHandler(fresh & photos, self._on_photo))
        application.add_handler(MessageHandler(fresh, self._on_message))
        application.add_handler(CallbackQueryHandler(self._on_button))
        application.add_handler(
            ChatMemberHandler(self._on_membership, ChatMemberHandler.MY_CHAT_MEMBER)
        )
        application.add_error_handler(_log_error)

    async def send_notice(self, update: Update) -> None:
        """Ask the sender of an update that is dropped to slow down."""
        message = update.message
        if message is None:
            return
        request = chat_request(message)
        text = await asyncio.to_thread(self._conversation.say, request, "slow_down")
        await message.reply_text(text)

    async def _on_message(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        message = update.effective_message
        if message is None:
            return
        if message.migrate_to_chat_id is not None or message.migrate_from_chat_id is not None:
            await self._migrate(message)
            return
        request = request_of_message(message, context.bot.username)
        if request is None:
            return
        if await asyncio.to_thread(self._conversation.needs_administrator, request):
            request = replace(request, administrator=await _is_administrator(message))
        text = await asyncio.to_thread(self._conversation.answer, request)
        if text is not None:
            await message.reply_text(text[:LONGEST_TEXT])

    async def _migrate(self, message: Message) -> None:
        """Follow a group that became a supergroup; Telegram sends this to both chats."""
        here = str(message.chat.id)
        if message.migrate_to_chat_id is not None:
            old, new = here, str(message.migrate_to_chat_id)
        else:
            old, new = str(message.migrate_from_chat_id), here
        await asyncio.to_thread(self._conversation.membership.migrate, old, new)

    async def _on_membership(self, update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        change = update.my_chat_member
        if change is None:
            return
        membership = self._conversation.membership
        status = change.new_chat_member.status
        ended = status in {ChatMember.BANNED, ChatMember.LEFT}
        await asyncio.to_thread(membership.end if ended else membership.resume, str(change.chat.id))

    async def _on_photo(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        message = update.effective_message
        if message is None or message.chat.type != Chat.PRIVATE:
            return
        request = chat_request(message)
        # The last size is the largest (https://core.telegram.org/bots/api#message).
        photo = message.photo[-1] if message.photo else message.document
        if photo is None:
            return
        # The bot neither fetches nor reads a photo of somebody who is not gate staff.
        text = await asyncio.to_thread(self._conversation.refuse_photo, request)
        if text is None and (photo.file_size or 0) > LARGEST_BYTES:
            text = await asyncio.to_thread(self._conversation.say, request, "too_large")
        if text is None:
            try:
                file = await context.bot.get_file(photo.file_id)
                content = bytes(await file.download_as_bytearray())
            except TelegramError as error:
                log.warning("picture_not_fetched", reason=str(error))
                text = await asyncio.to_thread(self._conversation.say, request, "no_picture")
            else:
                async with self._reading:
                    text = await asyncio.to_thread(
                        self._conversation.answer_photo, request, content
                    )
        await message.reply_text(text)

    async def _on_button(self, update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
        query = update.callback_query
        if query is None:
            return
        request = request_of_press(query)
        if request is None:
            await _answer_press(query, "")
            return
        done = await asyncio.to_thread(self._conversation.acknowledge, request, query.data or "")
        await _answer_press(query, done.notice)
        postponed = False
        for alert, text in done.edits:
            try:
                await context.bot.edit_message_text(
                    text[:LONGEST_TEXT], chat_id=int(alert.chat), message_id=alert.message_id
                )
            except (BadRequest, Forbidden, ChatMigrated) as error:
                # An earlier press edited the alert, or the alert is gone. The store has the name.
                log.info("alert_not_edited", reason=str(error))
            except TelegramError as error:
                log.warning("alert_edit_postponed", reason=str(error))
                postponed = True
        if postponed and done.event_id is not None:
            await asyncio.to_thread(self._conversation.show_later, done.event_id)


async def _answer_press(query: CallbackQuery, notice: str) -> None:
    """Answer a press. Telegram forgets it after some seconds, so a failure stops nothing else."""
    try:
        await query.answer(notice[:LONGEST_NOTICE] or None)
    except TelegramError as error:
        log.info("press_unanswered", reason=str(error))


async def _is_administrator(message: Message) -> bool | None:
    """Return whether a message's author administers the group; None where Telegram is silent."""
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


async def _log_error(_update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
    """Log the error of an update; the next update is answered all the same."""
    log.error("update_failed", reason=f"{type(context.error).__name__}: {context.error}")
