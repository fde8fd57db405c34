"""The bot's own messages, under the limiter that the workers share."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any
from uuid import uuid4

import structlog
from telegram.error import BadRequest, NetworkError, RetryAfter, TimedOut
from telegram.ext import BaseRateLimiter

from cloud import meters
from cloud.errors import StoreError
from cloud.store import Store

log = structlog.get_logger("cloud.bot")

LIMITED = frozenset({"sendMessage", "sendPhoto"})
TRIES = 3
AGAIN_AFTER_S = 0.5
LONGEST_WAIT_S = 30.0

ANSWER_WITHIN = timedelta(minutes=2)
"""An answer whose turn comes later (Telegram holds the chat) is not given."""

Answer = bool | dict[str, Any] | list[dict[str, Any]]


class FleetPace(BaseRateLimiter[None]):
    """Waits for a message's turn before it is sent, and for as long as Telegram asks after.

    What a server's error or a broken connection kept from being answered is said again.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def initialize(self) -> None:
        """Nothing is to be made."""

    async def shutdown(self) -> None:
        """Nothing is kept."""

    async def process_request(  # noqa: PLR0917 (the library's signature)
        self,
        callback: Callable[..., Coroutine[Any, Any, Answer]],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: None,  # noqa: ARG002
    ) -> Answer:
        """Send one request when it may be sent."""
        for last in (False,) * (TRIES - 1) + (True,):
            if endpoint in LIMITED:
                await self._turn(str(data.get("chat_id", "")))
            try:
                return await callback(*args, **kwargs)
            except RetryAfter as error:
                asked = error.retry_after
                seconds = asked.total_seconds() if isinstance(asked, timedelta) else float(asked)
                await self._hold(str(data.get("chat_id", "")), seconds)
                if last or seconds > LONGEST_WAIT_S:
                    raise
                await asyncio.sleep(seconds)
            except NetworkError as error:
                # An answer twice is better than none. To the library a refusal is of this kind too;
                # and whoever has waited for a silent server once need not do so again.
                if last or isinstance(error, BadRequest | TimedOut):
                    raise
                log.warning("message_sent_again", endpoint=endpoint, reason=error.message)
                await asyncio.sleep(AGAIN_AFTER_S)
        raise AssertionError("the last try returns or raises")

    async def _turn(self, chat: str) -> None:
        name = uuid4().hex
        while True:
            try:
                wait = await asyncio.to_thread(self._store.limiter.take, chat, name)
            except StoreError as error:
                # Somebody waits for an answer, and it may be that the store is away.
                log.warning("sent_without_limiter", reason=str(error))
                return
            if not wait:
                return
            if wait > ANSWER_WITHIN:
                # Its other messages would wait behind this one, and hardly anybody reads it then.
                raise RetryAfter(wait)
            await asyncio.sleep(min(wait.total_seconds(), LONGEST_WAIT_S))

    async def _hold(self, chat: str, seconds: float) -> None:
        if not chat:
            return
        try:
            fleet = await asyncio.to_thread(self._store.limiter.hold, chat, seconds)
        except StoreError as error:
            log.warning("wait_not_shared", reason=str(error))
            return
        meters.held(fleet=fleet)
