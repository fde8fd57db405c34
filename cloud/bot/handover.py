"""Updates on their way from Telegram to whoever answers: none lost, and none answered twice.

The library confirms an update to Telegram when it has queued it here, in memory: a bot that is
killed then has lost it. So its queue keeps who puts an update into it waiting until the update is
dealt with. By long polling that is who asks for the next updates, which confirms these; by webhook,
the request whose answer confirms one. Telegram hands everything else to the next bot, and with it
what was dealt with and not yet confirmed: that is written down, and passed over.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Coroutine

import structlog
from telegram import Update
from telegram.ext import BaseUpdateProcessor

from cloud.errors import StoreError
from cloud.store import Store

log = structlog.get_logger("cloud.bot")


class Handover(asyncio.Queue[object]):
    """A queue whose `put` returns when what was put is dealt with.

    For one reader, which deals with one after the other.
    """

    def __init__(self) -> None:
        super().__init__()
        self._under_way: deque[asyncio.Future[None]] = deque()

    async def put(self, item: object) -> None:
        """Put an item in, and wait until it is dealt with."""
        dealt_with = asyncio.get_running_loop().create_future()
        self._under_way.append(dealt_with)
        await super().put(item)
        await dealt_with

    def task_done(self) -> None:
        """Say that the item that came first is dealt with."""
        super().task_done()
        dealt_with = self._under_way.popleft()
        if not dealt_with.done():  # who waited for it was told to stop
            dealt_with.set_result(None)


class OnceEach(BaseUpdateProcessor):
    """Deals with one update after the other, and passes over those that a bot dealt with before.

    Killed in the instant between an answer and the note of it, a bot leaves an update to be
    answered again. A pass made or redeemed in it is the same one then (cloud/bot/conversation.py).
    """

    def __init__(self, store: Store) -> None:
        super().__init__(max_concurrent_updates=1)
        self._store = store

    async def initialize(self) -> None:
        """Nothing is to be made."""

    async def shutdown(self) -> None:
        """Nothing is kept."""

    async def do_process_update(self, update: object, coroutine: Awaitable[object]) -> None:
        """Deal with an update, unless that is done."""
        if not isinstance(update, Update):
            await coroutine
            return
        if await self._is_dealt_with(update):
            log.info("an update came again", update_id=update.update_id)
            if isinstance(coroutine, Coroutine):
                coroutine.close()
            return
        await coroutine
        await self._note(update)

    async def _is_dealt_with(self, update: Update) -> bool:
        bot_id = update.get_bot().id
        try:
            return await asyncio.to_thread(
                self._store.chats.is_dealt_with, bot_id, update.update_id
            )
        except StoreError as error:
            # Who asks is told that the store is away.
            log.warning("nobody knows whether an update came before", reason=str(error))
            return False

    async def _note(self, update: Update) -> None:
        bot_id = update.get_bot().id
        try:
            await asyncio.to_thread(self._store.chats.deal_with, bot_id, update.update_id)
        except StoreError as error:
            log.warning("an update may be answered again", reason=str(error))
