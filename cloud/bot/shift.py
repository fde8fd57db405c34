"""One shift of the bot: from its introduction to Telegram until it is relieved or hears nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from telegram.error import InvalidToken, TelegramError
from telegram.ext import Application

from cloud import meters
from cloud.bot.conversation import Conversation
from cloud.bot.handlers import Bot, Handlers
from cloud.bot.intake import Intake
from cloud.bot.pace import FleetPace
from cloud.bot.polling import ALLOWED_UPDATES, Deaf, Hearing, WebhookQueue, poll, watch_webhook
from cloud.bot.updates import PatientRequest
from cloud.errors import CannotStart, StoreError
from cloud.listening import host_of_both_families
from cloud.settings import Settings
from cloud.store import Store

log = structlog.get_logger("cloud.bot")

LOOK_S: Final = 3.0
"""How often the bot looks whether it is still the one to answer."""

IN_HAND_AT_MOST_S: Final = 10.0
"""How long answers in hand may take at the end of a shift: less than the lease of its place."""

STRANGERS_SHARE: Final = 0.5
"""Of Telegram's limit: what answers to those of whom nothing is known may use up."""

WEBHOOK_PATH: Final = "telegram"

COMMANDS: Final = {
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


async def work(
    settings: Settings,
    store: Store,
    token: str,
    stop: asyncio.Event,
    leads: Callable[[], Awaitable[bool]],
) -> None:
    """Answer chats until `stop` is set or `leads` says no.

    Raises:
        Deaf: Telegram is not heard any more, or what listens or answers has ended.
        TelegramError: Telegram could not be reached, or knows no such token, at the beginning.
    """
    application = _application(settings, store, token)
    hearing = Hearing()
    async with application:
        await _introduce(application, store)
        handlers = Handlers(
            Conversation(
                store,
                timedelta(seconds=settings.visitor_wait_s),
                timedelta(seconds=settings.pass_lifetime_s),
                zone=ZoneInfo(settings.time_zone),
            )
        )
        handlers.add_to(application)
        intake = Intake(
            store,
            application.bot,
            application.process_update,
            handlers.slow_down,
            settings.telegram_per_second * STRANGERS_SHARE,
        )
        meters.watch_bot(hearing.age_s)
        answering = asyncio.create_task(intake.run())
        try:
            async with _listening(settings, application, intake, hearing) as listening:
                while not stop.is_set() and await leads():
                    await intake.recover()
                    _check(answering, "what answers")
                    _check(listening, "what listens")
                    hearing.check()
                    await _pause(stop, answering, listening)
        except Deaf as error:
            error.heard_before = hearing.heard_once
            raise
        finally:
            answering.cancel()
            await intake.close(IN_HAND_AT_MOST_S)
            meters.watch_bot(None)
    log.info("bot_stopped")


def _application(settings: Settings, store: Store, token: str) -> Bot:
    return (
        Application.builder()
        .token(token)
        .base_url(settings.telegram_api_url)
        .base_file_url(_files_of(settings.telegram_api_url))
        .rate_limiter(FleetPace(store))
        .get_updates_request(PatientRequest())
        .update_queue(WebhookQueue())
        .build()
    )


@asynccontextmanager
async def _listening(
    settings: Settings, application: Bot, intake: Intake, hearing: Hearing
) -> AsyncIterator[asyncio.Task[None]]:
    """Take updates in, and give the task that ends where nothing more is heard."""
    if settings.telegram_webhook_secret is None:
        task = asyncio.create_task(poll(application.bot, intake.take, hearing))
        try:
            yield task
        finally:
            await _cancelled(task)
        return
    updater, queue = application.updater, application.update_queue
    if updater is None or not isinstance(queue, WebhookQueue):
        raise CannotStart("the bot was built without a way to get updates")
    queue.take = intake.take
    url = f"{settings.public_url}/{WEBHOOK_PATH}"
    host, port = host_of_both_families(settings.host), settings.telegram_webhook_port
    try:
        await updater.start_webhook(
            listen=host,
            port=port,
            url_path=WEBHOOK_PATH,
            webhook_url=url,
            secret_token=settings.telegram_webhook_secret.get_secret_value(),
            allowed_updates=ALLOWED_UPDATES,
            drop_pending_updates=False,
        )
    except OSError as error:
        raise CannotStart(
            f"CLOUD_TELEGRAM_WEBHOOK_PORT {port} cannot be listened on: {error}"
        ) from error
    heard_at = (host or None, port)
    task = asyncio.create_task(watch_webhook(application.bot, url, heard_at, hearing))
    try:
        yield task
    finally:
        await _cancelled(task)
        await updater.stop()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    # What it ended with was said before, or is of no interest at the end of a shift.
    with suppress(asyncio.CancelledError, Exception):
        await task


def _check(task: asyncio.Task[None], name: str) -> None:
    """Raise Deaf where a task that should go on has ended."""
    if not task.done():
        return
    error = None if task.cancelled() else task.exception()
    if isinstance(error, Deaf):
        raise error
    if error is not None:
        log.error("bot_task_failed", task=name, exc_info=error)
    raise Deaf(f"{name} has ended: {error!r}")


async def _pause(stop: asyncio.Event, *tasks: asyncio.Task[None]) -> None:
    """Wait for LOOK_S, or until something ends."""
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({stopped, *tasks}, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()


async def _introduce(application: Bot, store: Store) -> None:
    try:
        for language, commands in COMMANDS.items():
            code = None if language == "en" else language
            await application.bot.set_my_commands(list(commands.items()), language_code=code)
    except InvalidToken:
        raise
    except TelegramError as error:
        log.warning("commands_not_shown", reason=error.message)
    try:
        await asyncio.to_thread(store.chats.introduce, application.bot.username)
    except StoreError as error:
        log.warning("bot_name_not_kept", reason=str(error))
    log.info("bot_started", name=application.bot.username)


def _files_of(api_url: str) -> str:
    """Return where files lie, by the address of the Bot API (…/bot → …/file/bot)."""
    head, _, tail = api_url.rpartition("/")
    return f"{head}/file/{tail}"
