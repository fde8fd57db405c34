"""One bot at work among all that are started: by a lock that is renewed, and taken over."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final
from uuid import uuid4

import structlog
from telegram.error import InvalidToken, TelegramError

from cloud import availability, meters
from cloud.bot.polling import Deaf
from cloud.bot.shift import LOOK_S, work
from cloud.errors import CannotStart, StoreError
from cloud.settings import Settings
from cloud.store import Store

log = structlog.get_logger("cloud.bot")

LEASE: Final = timedelta(seconds=15)
"""After this long without a sign of the bot that works, another takes over."""

SHORTEST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
"""A bot that hears nothing begins anew after a pause, which doubles from one to the next."""

TOKEN_REFUSED_FOR_S: Final = 120.0
"""A token that Telegram refuses for so long is wrong for good; a hiccup is over by then."""


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
    fresh_start = FreshStart(asyncio.get_running_loop().time)

    async def leads() -> bool:
        return await _leads(store, name)

    try:
        while not stop.is_set():
            pause_s = LOOK_S
            if await leads():
                told = False
                pause_s = await fresh_start.of(work(settings, store, token, stop, leads))
                # Meanwhile another bot may lead, perhaps with a token that is good.
                await _resign(store, name)
            elif not told:
                log.info("bot_stands_by", reason="another bot is at work; this one stands by")
                told = True
            await _pause(stop, pause_s)
    finally:
        await _resign(store, name)


class FreshStart:
    """When a bot that heard nothing any more begins anew, and when its process ends instead.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pause_s = 0.0
        self._has_worked = False
        self._refused_since: float | None = None

    async def of(self, shift: Awaitable[None]) -> float:
        """Await a shift, and return the seconds to wait before the next.

        Raises: as `after`.
        """
        try:
            await shift
        except (Deaf, TelegramError) as error:
            pause_s = self.after(error)
            reason = str(error)
        else:
            self._has_worked = True
            self._pause_s, self._refused_since = 0.0, None
            return LOOK_S
        log.error("bot_deaf", reason=reason, begins_anew_in_s=pause_s)
        return pause_s

    def after(self, error: Deaf | TelegramError) -> float:
        """Return the seconds to wait after what ended the bot's work.

        Raises:
            TelegramError: the bot has never worked, so that its start is what failed.
            InvalidToken: Telegram has refused the token for TOKEN_REFUSED_FOR_S; the process that
                is started next reads the token anew.
        """
        if isinstance(error, Deaf):
            self._has_worked = True
            refused = error.token_refused
            if error.heard_before:
                self._pause_s, self._refused_since = 0.0, None
        elif self._has_worked:
            refused = isinstance(error, InvalidToken)
        else:
            raise error
        meters.deaf()
        if not refused:
            self._refused_since = None
        elif self._refused_since is None:
            self._refused_since = self._clock()
        elif self._clock() - self._refused_since > TOKEN_REFUSED_FOR_S:
            raise InvalidToken(str(error))
        self._pause_s = min(max(self._pause_s * 2, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)
        return self._pause_s


async def _leads(store: Store, name: str) -> bool:
    try:
        leads = await asyncio.to_thread(store.chats.lead, name, LEASE)
    except StoreError as error:
        # Telegram itself lets one bot poll: with the store away, the one that does goes on and
        # says so to who asks; a second is told of the conflict.
        availability.of_the_store.lost("leader", error)
        return True
    availability.of_the_store.restored("leader")
    return leads


async def _resign(store: Store, name: str) -> None:
    try:
        await asyncio.to_thread(store.chats.resign, name)
    except StoreError as error:
        # The lease runs out by itself.
        availability.of_the_store.lost("leader", error)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
