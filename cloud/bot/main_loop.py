"""The main loop of the bot that holds the lease: from its introduction to Telegram to its end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from telegram.ext import Application

from cloud import meters
from cloud.bot.answering.conversation import Conversation
from cloud.bot.handlers import Bot, Handlers
from cloud.bot.introduction import introduce
from cloud.bot.rate_limiter import SharedRateLimiter
from cloud.bot.receiving.connection_watchdog import ConnectionLost, ConnectionWatchdog
from cloud.bot.receiving.inbox import Inbox
from cloud.bot.receiving.long_polling import poll
from cloud.bot.receiving.update_parsing import TolerantRequest
from cloud.bot.receiving.webhook import WebhookQueue, start_webhook, watch_webhook
from cloud.errors import CannotStart
from cloud.settings import Settings
from cloud.store import Store

log = structlog.get_logger("cloud.bot")

RENEW_EVERY_S: Final = 3.0
"""How often the bot renews its lease, in seconds."""

CLOSE_WITHIN_S: Final = 10.0
"""How long the answers in progress may take at the end: less than the lease lasts, in seconds."""

UNKNOWN_SHARE: Final = 0.5
"""The share of Telegram's limit that answers to unknown senders may use up."""


async def run_main_loop(
    settings: Settings,
    store: Store,
    token: str,
    stop: asyncio.Event,
    renew_lease: Callable[[], Awaitable[bool]],
) -> None:
    """Answer chats until `stop` is set or the lease is lost.

    Args:
        settings: The cloud's settings.
        store: The store, open.
        token: The bot's token.
        stop: Set when the process is to end.
        renew_lease: Renews the lease, and returns whether this bot still holds it.

    Raises:
        ConnectionLost: Telegram does not answer any more, or a task of the bot has ended.
        TelegramError: At the beginning, Telegram is out of reach or does not know the token.
    """
    application = _application(settings, store, token)
    watchdog = ConnectionWatchdog()
    async with application:
        await introduce(application.bot, store)
        handlers = Handlers(
            Conversation(
                store,
                timedelta(seconds=settings.visitor_wait_s),
                timedelta(seconds=settings.pass_lifetime_s),
                zone=ZoneInfo(settings.time_zone),
            )
        )
        handlers.add_to(application)
        inbox = Inbox(
            store,
            application.bot,
            application.process_update,
            handlers.send_notice,
            settings.telegram_per_second * UNKNOWN_SHARE,
        )
        meters.watch_bot(watchdog.silence_s)
        answering = asyncio.create_task(inbox.run())
        try:
            async with _receiving(settings, application, inbox, watchdog) as receiving:
                while not stop.is_set() and await renew_lease():
                    await inbox.recover()
                    _check(answering, "the task that answers updates")
                    _check(receiving, "the task that receives updates")
                    watchdog.check()
                    await _pause(stop, answering, receiving)
        except ConnectionLost as error:
            error.was_connected = watchdog.was_connected
            raise
        finally:
            answering.cancel()
            await inbox.close(CLOSE_WITHIN_S)
            meters.watch_bot(None)
    log.info("bot_stopped")


def _application(settings: Settings, store: Store, token: str) -> Bot:
    return (
        Application.builder()
        .token(token)
        .base_url(settings.telegram_api_url)
        .base_file_url(_file_url(settings.telegram_api_url))
        .rate_limiter(SharedRateLimiter(store))
        .get_updates_request(TolerantRequest())
        .update_queue(WebhookQueue())
        .build()
    )


@asynccontextmanager
async def _receiving(
    settings: Settings, application: Bot, inbox: Inbox, watchdog: ConnectionWatchdog
) -> AsyncIterator[asyncio.Task[None]]:
    """Receive updates, by a webhook where its secret is set and by long polling otherwise.

    Args:
        settings: The cloud's settings.
        application: The library's application, initialized.
        inbox: Accepts the updates.
        watchdog: Is reset by each answer of Telegram.

    Yields:
        The task that ends when no update can arrive any more.

    Raises:
        CannotStart: The webhook's port is taken.
    """
    if settings.telegram_webhook_secret is None:
        task = asyncio.create_task(poll(application.bot, inbox.accept, watchdog))
        try:
            yield task
        finally:
            await _cancel(task)
        return
    updater, queue = application.updater, application.update_queue
    if updater is None or not isinstance(queue, WebhookQueue):
        raise CannotStart("the bot was built without an updater, and cannot serve a webhook")
    queue.accept = inbox.accept
    secret = settings.telegram_webhook_secret.get_secret_value()
    url, address = await start_webhook(updater, settings, secret)
    task = asyncio.create_task(watch_webhook(application.bot, url, address, watchdog))
    try:
        yield task
    finally:
        await _cancel(task)
        await updater.stop()


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    # `_check` has raised the task's error already, or the error does not matter at the end.
    with suppress(asyncio.CancelledError, Exception):
        await task


def _check(task: asyncio.Task[None], name: str) -> None:
    """Raise ConnectionLost where a task that should go on has ended."""
    if not task.done():
        return
    error = None if task.cancelled() else task.exception()
    if isinstance(error, ConnectionLost):
        raise error
    if error is not None:
        log.error("bot_task_failed", task=name, exc_info=error)
    raise ConnectionLost(f"{name} has ended: {error!r}")


async def _pause(stop: asyncio.Event, *tasks: asyncio.Task[None]) -> None:
    """Wait for RENEW_EVERY_S, or until the bot is to stop or a task ends."""
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait(
            {stopped, *tasks}, timeout=RENEW_EVERY_S, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        stopped.cancel()


def _file_url(api_url: str) -> str:
    """Return the address of files for an address of the Bot API (…/bot → …/file/bot)."""
    head, _, tail = api_url.rpartition("/")
    return f"{head}/file/{tail}"
