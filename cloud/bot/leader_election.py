"""Leader election: of all the bots that run, the one that holds the lease in the store works."""

import asyncio
import os
import signal
from datetime import timedelta
from typing import Final
from uuid import uuid4

import structlog
from telegram.error import InvalidToken, TelegramError

from cloud import availability
from cloud.bot.main_loop import RENEW_EVERY_S, run_main_loop
from cloud.bot.restart_backoff import RestartBackoff
from cloud.errors import CannotStart, StoreError
from cloud.settings import Settings
from cloud.store import Store

log = structlog.get_logger("cloud.bot")

LEASE: Final = timedelta(seconds=15)
"""Another bot takes over when the one that works has not renewed its lease for so long."""


def run(settings: Settings) -> None:
    """Answer chats until SIGTERM or SIGINT.

    Args:
        settings: The cloud's settings.

    Raises:
        CannotStart: The token is not set, Telegram does not know it, or Telegram is out of reach.
    """
    if settings.telegram_token is None:
        raise CannotStart(
            "CLOUD_TELEGRAM_TOKEN is not set. Make a bot with @BotFather in Telegram, and give "
            "its token in this variable"
        )
    # The library's switch for durations as timedelta, which will be its default.
    os.environ.setdefault("PTB_TIMEDELTA", "true")
    store = Store.open(settings)
    try:
        asyncio.run(_take_turns(settings, store, settings.telegram_token.get_secret_value()))
    except InvalidToken as error:
        raise CannotStart("Telegram does not know the token in CLOUD_TELEGRAM_TOKEN") from error
    except TelegramError as error:
        raise CannotStart(f"the bot could not start: {error.message}") from error
    finally:
        store.close()


async def _take_turns(settings: Settings, store: Store, token: str) -> None:
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    bot_id = uuid4().hex
    logged = False
    backoff = RestartBackoff(asyncio.get_running_loop().time)

    async def renew_lease() -> bool:
        return await _renew_lease(store, bot_id)

    try:
        while not stop.is_set():
            pause_s = RENEW_EVERY_S
            if await renew_lease():
                logged = False
                run_once = run_main_loop(settings, store, token, stop, renew_lease)
                pause_s = await backoff.supervise(run_once) or RENEW_EVERY_S
                # During the pause another bot may work, perhaps with a token that is good.
                await _release_lease(store, bot_id)
            elif not logged:
                log.info("bot_stands_by", reason="another bot is at work; this one stands by")
                logged = True
            await _pause(stop, pause_s)
    finally:
        await _release_lease(store, bot_id)


async def _renew_lease(store: Store, bot_id: str) -> bool:
    """Take or renew the lease, and return whether this bot holds it."""
    try:
        is_leader = await asyncio.to_thread(store.chats.lead, bot_id, LEASE)
    except StoreError as error:
        # Telegram lets only one bot poll. While the store is away, the bot that polls goes on and
        # tells people so; Telegram tells a second bot of the conflict.
        availability.of_the_store.lost("leader", error)
        return True
    availability.of_the_store.restored("leader")
    return is_leader


async def _release_lease(store: Store, bot_id: str) -> None:
    try:
        await asyncio.to_thread(store.chats.resign, bot_id)
    except StoreError as error:
        # The lease runs out by itself.
        availability.of_the_store.lost("leader", error)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
