"""The Telegram bot: tells a chat its id and its gates, by long polling."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from telegram import Update
from telegram.error import Conflict, InvalidToken, TelegramError
from telegram.ext import Application, CommandHandler, ContextTypes

from cloud.contract import Channel
from cloud.errors import CannotStart, StoreError
from cloud.notify.texts import bot_text
from cloud.settings import Settings
from cloud.store import Store

log = structlog.get_logger("cloud.bot")

COMMANDS = {
    "start": "Show the id of this chat",
    "status": "Which gates this chat is told of",
    "help": "What this bot does",
}


Polling = Application[Any, Any, Any, Any, Any, Any]
Handler = Callable[[Update, ContextTypes.DEFAULT_TYPE], Coroutine[Any, Any, None]]


def run(settings: Settings) -> None:
    """Answer chats until SIGTERM or SIGINT; raise CannotStart without a working token."""
    if settings.telegram_token is None:
        raise CannotStart(
            "CLOUD_TELEGRAM_TOKEN is not set. Make a bot with @BotFather in Telegram, and give "
            "its token in this variable"
        )
    store = Store.open(settings)
    application = (
        Application.builder()
        .token(settings.telegram_token.get_secret_value())
        .base_url(settings.telegram_api_url)
        .post_init(_introduce)
        .build()
    )
    for name in COMMANDS:
        application.add_handler(CommandHandler(name, _answering(name, store)))
    application.add_error_handler(_report)
    try:
        application.run_polling(allowed_updates=[Update.MESSAGE], drop_pending_updates=False)
    except InvalidToken as error:
        raise CannotStart("Telegram does not know the token in CLOUD_TELEGRAM_TOKEN") from error
    except TelegramError as error:
        raise CannotStart(f"the bot could not start: {error.message}") from error
    finally:
        store.close()


async def _introduce(application: Polling) -> None:
    await application.bot.set_my_commands(list(COMMANDS.items()))
    log.info("bot started", name=application.bot.username)


def answer(store: Store, name: str, chat_id: int) -> str:
    """Return what the bot answers to a command from a chat."""
    try:
        gates = store.gates.of_address(Channel.TELEGRAM, str(chat_id))
    except StoreError:
        log.warning("store unavailable")
        return bot_text("unavailable")
    return bot_text(name, chat_id=chat_id, gates=gates)


def _answering(name: str, store: Store) -> Handler:
    async def handler(update: Update, _context: ContextTypes.DEFAULT_TYPE) -> None:
        if update.effective_chat is None or update.effective_message is None:
            return
        text = await asyncio.to_thread(answer, store, name, update.effective_chat.id)
        await update.effective_message.reply_text(text)

    return handler


async def _report(_update: object, context: ContextTypes.DEFAULT_TYPE) -> None:
    if isinstance(context.error, Conflict):
        log.error("another bot polls with this token; run one only")
        return
    log.error("an update failed", reason=str(context.error))
