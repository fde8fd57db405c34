"""Long polling: the bot fetches updates from Telegram with getUpdates."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from telegram import Bot, Update
from telegram.error import TelegramError

from cloud.bot.receiving.connection_watchdog import ConnectionWatchdog

POLL_S: Final = 10
"""How long Telegram holds a call of getUpdates open while it has no update, in seconds."""

ALLOWED_UPDATES: Final = [Update.MESSAGE, Update.CALLBACK_QUERY, Update.MY_CHAT_MEMBER]

Accept = Callable[[Sequence[Update]], Awaitable[None]]


async def poll(bot: Bot, accept: Accept, watchdog: ConnectionWatchdog) -> None:
    """Fetch updates until cancelled.

    Each call confirms to Telegram the updates that `accept` has returned for. When this is
    cancelled, it confirms the last of them by one more call.

    Args:
        bot: The bot whose updates are fetched.
        accept: Accepts the updates of one call.
        watchdog: Is reset by each answer of Telegram.

    Raises:
        ConnectionLost: Telegram refuses the token.
        asyncio.CancelledError: This was cancelled.
    """
    offset: int | None = None
    try:
        await watchdog.call(partial(bot.delete_webhook, drop_pending_updates=False))
        while True:
            fetch = partial(
                bot.get_updates, offset=offset, timeout=POLL_S, allowed_updates=ALLOWED_UPDATES
            )
            updates = await watchdog.call(fetch)
            watchdog.was_connected = True
            if updates:
                with watchdog.extended_timeout():
                    await accept(updates)
                offset = updates[-1].update_id + 1
    except asyncio.CancelledError:
        if offset is not None:
            with contextlib.suppress(TelegramError):
                await bot.get_updates(offset=offset, limit=1, timeout=0)
        raise
