"""One bot at work among all that are started: by a lock that is renewed, and taken over."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import structlog
from telegram import Update
from telegram.error import InvalidToken, TelegramError
from telegram.ext import Application

from cloud.bot.conversation import Conversation
from cloud.bot.handlers import Bot, Handlers
from cloud.bot.handover import Handover, OnceEach
from cloud.bot.pace import FleetPace
from cloud.bot.updates import PatientRequest
from cloud.errors import CannotStart, StoreError
from cloud.settings import Settings
from cloud.store import Store

log = structlog.get_logger("cloud.bot")

LEASE = timedelta(seconds=15)
"""After this long without a sign of the bot that works, another takes over."""

LOOK_S = 3.0

WEBHOOK_PATH = "telegram"

ALLOWED_UPDATES = [Update.MESSAGE, Update.CALLBACK_QUERY]

COMMANDS = {
    "en": {
        "start": "Show the id of this chat",
        "status": "Where you wait, and what this chat is told of",
        "cancel": "Wait no more",
        "gates": "Your gates",
        "mute": "Keep alerts away for a while",
        "pass": "Make a pass by hand (operators)",
        "scan": "Redeem a pass (guards)",
        "language": "Speak another language",
        "help": "What this bot does",
    },
    "es": {
        "start": "Muestra el identificador de este chat",
        "status": "Dónde esperas y de qué recibe avisos este chat",
        "cancel": "Termina la espera",
        "gates": "Tus puertas",
        "mute": "Calla las alertas un rato",
        "pass": "Haz un pase a mano (operadores)",
        "scan": "Canjea un pase (guardias)",
        "language": "Habla otro idioma",
        "help": "Qué hace este bot",
    },
}


def run(settings: Settings) -> None:
    """Answer chats until SIGTERM or SIGINT; raise CannotStart without a working token."""
    if settings.telegram_token is None:
        raise CannotStart(
            "CLOUD_TELEGRAM_TOKEN is not set. Make a bot with @BotFather in Telegram, and give "
            "its token in this variable"
        )
    # The library's own switch: waits are given as timedelta, as they will be for everyone.
    os.environ.setdefault("PTB_TIMEDELTA", "true")
    store = Store.open(settings)
    try:
        asyncio.run(_stand_by(settings, store, settings.telegram_token.get_secret_value()))
    except InvalidToken as error:
        raise CannotStart("Telegram does not know the token in CLOUD_TELEGRAM_TOKEN") from error
    except TelegramError as error:
        raise CannotStart(f"the bot could not start: {error.message}") from error
    finally:
        store.close()


async def _stand_by(settings: Settings, store: Store, token: str) -> None:
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    name = uuid4().hex
    told = False
    while not stop.is_set():
        if await _leads(store, name):
            await _work(settings, store, token, name, stop)
            told = False
        elif not told:
            log.info("another bot is at work; this one stands by")
            told = True
        await _pause(stop)
    await _resign(store, name)


async def _work(
    settings: Settings, store: Store, token: str, name: str, stop: asyncio.Event
) -> None:
    async with _answering(settings, store, token):
        while not stop.is_set() and await _leads(store, name):
            await _pause(stop)
    log.info("bot stopped")


@asynccontextmanager
async def _answering(settings: Settings, store: Store, token: str) -> AsyncIterator[None]:
    conversation = Conversation(
        store,
        timedelta(seconds=settings.visitor_wait_s),
        timedelta(seconds=settings.pass_lifetime_s),
    )
    application: Bot = (
        Application.builder()
        .token(token)
        .base_url(settings.telegram_api_url)
        .base_file_url(_files_of(settings.telegram_api_url))
        .rate_limiter(FleetPace(store))
        .get_updates_request(PatientRequest())
        .update_queue(Handover())
        .concurrent_updates(OnceEach(store))
        .build()
    )
    Handlers(conversation).add_to(application)
    async with application:
        await _introduce(application, store)
        updater = application.updater
        if updater is None:
            raise CannotStart("the bot was built without a way to get updates")
        if settings.telegram_webhook_secret is None:
            await updater.start_polling(
                allowed_updates=ALLOWED_UPDATES, drop_pending_updates=False, bootstrap_retries=-1
            )
        else:
            await updater.start_webhook(
                listen=settings.host,
                port=settings.telegram_webhook_port,
                url_path=WEBHOOK_PATH,
                webhook_url=f"{settings.public_url}/{WEBHOOK_PATH}",
                secret_token=settings.telegram_webhook_secret.get_secret_value(),
                allowed_updates=ALLOWED_UPDATES,
                drop_pending_updates=False,
            )
        await application.start()
        try:
            yield
        finally:
            await updater.stop()
            await application.stop()


async def _introduce(application: Bot, store: Store) -> None:
    for language, commands in COMMANDS.items():
        code = None if language == "en" else language
        await application.bot.set_my_commands(list(commands.items()), language_code=code)
    try:
        await asyncio.to_thread(store.chats.introduce, application.bot.username)
    except StoreError as error:
        log.warning("links to the bot cannot be made yet", reason=str(error))
    log.info("bot started", name=application.bot.username)


async def _leads(store: Store, name: str) -> bool:
    try:
        return await asyncio.to_thread(store.chats.lead, name, LEASE)
    except StoreError as error:
        # Telegram itself lets one bot poll: with the store away, the one that does goes on and
        # says so to who asks; a second is told of the conflict.
        log.warning("nobody knows which bot is at work", reason=str(error))
        return True


async def _resign(store: Store, name: str) -> None:
    try:
        await asyncio.to_thread(store.chats.resign, name)
    except StoreError as error:
        log.warning("the place runs out by itself", reason=str(error))


async def _pause(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), LOOK_S)
    except TimeoutError:
        return


def _files_of(api_url: str) -> str:
    """Return where files lie, by the address of the Bot API (…/bot → …/file/bot)."""
    head, _, tail = api_url.rpartition("/")
    return f"{head}/file/{tail}"
