"""The watchdog over the bot's connection to Telegram.

A bot that receives nothing any more must not keep other bots from answering. So a lost connection
is an error, ConnectionLost: the bot gives up its lease, and starts again.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, TypeVar

import structlog
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError, TimedOut

from cloud import meters

log = structlog.get_logger("cloud.bot")

SILENCE_AT_MOST_S: Final = 60.0
"""A bot without an answer of Telegram (to getUpdates or getWebhookInfo) for so long is cut off."""

ACCEPTING_AT_MOST_S: Final = 300.0
"""While the store is away, the bot answers updates before it fetches the next: for so long."""

LONGEST_PAUSE_S: Final = 15.0
"""The longest pause between two tries of a call that failed."""

T = TypeVar("T")


class ConnectionLost(Exception):  # noqa: N818 (the name is the state)
    """The bot cannot receive updates any more.

    Args:
        reason: Why, for the log.
        token_refused: Whether Telegram does not know the token.
    """

    def __init__(self, reason: str, *, token_refused: bool = False) -> None:
        super().__init__(reason)
        self.token_refused = token_refused
        self.was_connected = False
        """Whether the connection stood (updates came, or the webhook was in order) until then."""


class ConnectionWatchdog:
    """Knows when Telegram last answered. Its clock is that of the running event loop."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._answered_at = self._clock()
        self._timeout_s = SILENCE_AT_MOST_S
        self.was_connected = False

    def reset(self) -> None:
        """Note that Telegram has answered now."""
        self._answered_at = self._clock()

    @contextlib.contextmanager
    def extended_timeout(self) -> Iterator[None]:
        """Allow a longer silence while the bot accepts updates and fetches none.

        Yields:
            Nothing; the usual timeout counts again from the end of the block on.
        """
        self._timeout_s = ACCEPTING_AT_MOST_S
        try:
            yield
        finally:
            self._timeout_s = SILENCE_AT_MOST_S
            self.reset()

    def silence_s(self) -> float:
        """Return the seconds since the last answer of Telegram, or since the beginning."""
        return self._clock() - self._answered_at

    def check(self) -> None:
        """Hold the silence against the timeout.

        Raises:
            ConnectionLost: Telegram has not answered for too long.
        """
        if self.silence_s() > self._timeout_s:
            raise ConnectionLost(f"Telegram has not answered for {self.silence_s():.0f} s")

    async def call(self, request: Callable[[], Awaitable[T]]) -> T:
        """Make a request again and again until Telegram answers it.

        Args:
            request: Makes the request once.

        Returns:
            The answer.

        Raises:
            ConnectionLost: Telegram refuses the token.
        """
        pause_s = 1.0
        while True:
            try:
                answer = await request()
            except InvalidToken as error:
                raise ConnectionLost(
                    f"Telegram refuses the token: {error.message}", token_refused=True
                ) from error
            except RetryAfter as error:
                wait = error.retry_after
                pause_s = wait if isinstance(wait, int) else wait.total_seconds()
                reason = error.message
            except Conflict as error:
                reason = f"another bot polls with this token; run only one: {error.message}"
            except TimedOut as error:
                pause_s, reason = 0.5, error.message
            except TelegramError as error:
                reason = error.message
            else:
                self.reset()
                return answer
            meters.poll_failed()
            log.warning("telegram_not_heard", reason=reason, again_in_s=pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
