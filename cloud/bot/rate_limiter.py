"""The rate limiter of the bot's messages, which it shares with the workers."""

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
RETRY_AFTER_S = 0.5
LONGEST_WAIT_S = 30.0

ANSWER_WITHIN = timedelta(minutes=2)
"""The bot gives up an answer that could be sent only later (Telegram holds the chat)."""

Answer = bool | dict[str, Any] | list[dict[str, Any]]


class SharedRateLimiter(BaseRateLimiter[None]):
    """Delays each message until it may be sent, and obeys Telegram's `retry_after`.

    A message that a broken connection or an error of Telegram's server kept from being sent is
    sent again.

    Args:
        store: Holds the limiter that the bot shares with the workers.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def initialize(self) -> None:
        """Do nothing: the store is open already."""

    async def shutdown(self) -> None:
        """Do nothing: the store is closed by its owner."""

    async def process_request(  # noqa: PLR0917 (the library's signature)
        self,
        callback: Callable[..., Coroutine[Any, Any, Answer]],
        args: Any,
        kwargs: dict[str, Any],
        endpoint: str,
        data: dict[str, Any],
        rate_limit_args: None,  # noqa: ARG002
    ) -> Answer:
        """Send one request when it may be sent.

        Args:
            callback: Sends the request.
            args: The positional arguments of `callback`.
            kwargs: The keyword arguments of `callback`.
            endpoint: The method of the Bot API, such as `sendMessage`.
            data: The parameters of that method.
            rate_limit_args: Not used.

        Returns:
            The answer of Telegram.

        Raises:
            RetryAfter: Telegram asks for a longer wait than an answer is worth.
            NetworkError: The request failed at the last try, was refused, or timed out.
        """
        tries = 0
        while True:
            tries += 1
            last = tries == TRIES
            if endpoint in LIMITED:
                await self._wait_for_slot(str(data.get("chat_id", "")))
            try:
                return await callback(*args, **kwargs)
            except RetryAfter as error:
                asked = error.retry_after
                seconds = asked.total_seconds() if isinstance(asked, timedelta) else float(asked)
                await self._share_hold(str(data.get("chat_id", "")), seconds)
                if last or seconds > LONGEST_WAIT_S:
                    raise
                await asyncio.sleep(seconds)
            except NetworkError as error:
                # An answer twice is better than none. The library counts a refusal (BadRequest)
                # as a NetworkError, too. Nobody should wait for a silent server a second time.
                if last or isinstance(error, BadRequest | TimedOut):
                    raise
                log.warning("message_sent_again", endpoint=endpoint, reason=error.message)
                await asyncio.sleep(RETRY_AFTER_S)

    async def _wait_for_slot(self, chat: str) -> None:
        name = uuid4().hex
        while True:
            try:
                wait = await asyncio.to_thread(self._store.limiter.take, chat, name)
            except StoreError as error:
                # Somebody waits for the answer, which may say that the store is away.
                log.warning("sent_without_limiter", reason=str(error))
                return
            if not wait:
                return
            if wait > ANSWER_WITHIN:
                # The chat's other messages would wait behind this one, and hardly anybody reads
                # an answer that comes so late.
                raise RetryAfter(wait)
            await asyncio.sleep(min(wait.total_seconds(), LONGEST_WAIT_S))

    async def _share_hold(self, chat: str, seconds: float) -> None:
        if not chat:
            return
        try:
            fleet = await asyncio.to_thread(self._store.limiter.hold, chat, seconds)
        except StoreError as error:
            log.warning("wait_not_shared", reason=str(error))
            return
        meters.held(fleet=fleet)
