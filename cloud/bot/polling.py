"""How the bot hears: by long polling, or by a webhook that is watched. Deafness is an error.

A bot that hears nothing any more must not keep others from answering: whatever ends its hearing
raises Deaf, and whoever runs the bot gives its place up and begins anew.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import Final, TypeVar

import structlog
from telegram import Bot, Update, WebhookInfo
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError, TimedOut

from cloud import meters

log = structlog.get_logger("cloud.bot")

POLL_S: Final = 10
"""How long Telegram holds a call of getUpdates open when there is nothing to hand over."""

DEAF_AFTER_S: Final = 60.0
"""A bot that got no answer to getUpdates (or of its webhook) for so long hears nothing."""

TAKING_AT_MOST_S: Final = 300.0
"""Updates that cannot be kept (the store is away) are answered before the next are fetched."""

LONGEST_PAUSE_S: Final = 15.0

WATCH_WEBHOOK_EVERY_S: Final = 20.0

ALLOWED_UPDATES: Final = [Update.MESSAGE, Update.CALLBACK_QUERY, Update.MY_CHAT_MEMBER]

T = TypeVar("T")

Take = Callable[[Sequence[Update]], Awaitable[None]]


class Deaf(Exception):  # noqa: N818 (the name is the state)
    """The bot hears nothing any more.

    Args:
        reason: why, for the log.
        token_refused: Telegram does not know the token.
    """

    def __init__(self, reason: str, *, token_refused: bool = False) -> None:
        super().__init__(reason)
        self.token_refused = token_refused
        self.heard_before = False
        """Whether the bot got updates, or its webhook was in order, before it heard no more."""


class Hearing:
    """When Telegram was last heard of. Its clock is that of the running loop."""

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._last_at = self._clock()
        self._patience_s = DEAF_AFTER_S
        self.heard_once = False

    def note(self) -> None:
        """Note that Telegram is heard."""
        self._last_at = self._clock()

    @contextlib.contextmanager
    def taking(self) -> Iterator[None]:
        """Have more patience while updates are taken in, when nobody listens."""
        self._patience_s = TAKING_AT_MOST_S
        try:
            yield
        finally:
            self._patience_s = DEAF_AFTER_S
            self.note()

    def age_s(self) -> float:
        """Return the seconds since Telegram was heard, or since the beginning."""
        return self._clock() - self._last_at

    def check(self) -> None:
        """Raise Deaf where Telegram was not heard for too long."""
        if self.age_s() > self._patience_s:
            raise Deaf(f"Telegram was not heard for {self.age_s():.0f} s")


class WebhookQueue(asyncio.Queue[object]):
    """Where the library puts what a webhook brings: straight into `take`.

    The answer that confirms an update to Telegram is given when `put` returns.
    """

    take: Take | None = None

    async def put(self, item: object) -> None:
        """Take an update in."""
        if not isinstance(item, Update) or self.take is None:
            raise TypeError(f"nobody takes this in: {item!r}")
        await self.take([item])


async def poll(bot: Bot, take: Take, hearing: Hearing) -> None:
    """Fetch updates until cancelled; raise Deaf where Telegram refuses the token.

    An update is confirmed by the next call, once `take` has returned. Cancelled, it confirms what
    was taken by one last call.
    """
    offset: int | None = None
    try:
        await _until_told(partial(bot.delete_webhook, drop_pending_updates=False), hearing)
        while True:
            fetch = partial(
                bot.get_updates, offset=offset, timeout=POLL_S, allowed_updates=ALLOWED_UPDATES
            )
            updates = await _until_told(fetch, hearing)
            hearing.heard_once = True
            if updates:
                with hearing.taking():
                    await take(updates)
                offset = updates[-1].update_id + 1
    except asyncio.CancelledError:
        if offset is not None:
            with contextlib.suppress(TelegramError):
                await bot.get_updates(offset=offset, limit=1, timeout=0)
        raise


async def watch_webhook(
    bot: Bot, url: str, address: tuple[str | None, int], hearing: Hearing
) -> None:
    """See again and again that the webhook is ours and that its server listens, until cancelled.

    Args:
        bot: whose webhook it is.
        url: the webhook as it was set.
        address: host and port that the server listens on; no host is this machine's own.
        hearing: is told each time that both are so.

    Raises:
        Deaf: somebody else set or removed the webhook, or the server does not listen.
    """
    told_error_at = None
    while True:
        try:
            _, writer = await asyncio.open_connection(*address)
        except OSError as error:
            raise Deaf(f"the webhook's server does not listen: {error}") from error
        writer.close()
        info = await _until_told(partial(_webhook_of, bot), hearing)
        if info is not None and info.url != url:
            raise Deaf(f"the webhook was {'replaced' if info.url else 'removed'} by somebody else")
        if info is not None and info.last_error_date not in {None, told_error_at}:
            told_error_at = info.last_error_date
            log.warning(
                "webhook_failing",
                reason=info.last_error_message,
                pending=info.pending_update_count,
            )
        hearing.heard_once = True
        await asyncio.sleep(WATCH_WEBHOOK_EVERY_S)


async def _webhook_of(bot: Bot) -> WebhookInfo | None:
    """Return the webhook as Telegram has it; None where the server of the API does not tell."""
    try:
        return await bot.get_webhook_info()
    except InvalidToken as error:
        # 404 is of a method that is not known, or of a token that is malformed; no token comes
        # so far that is. 401 is of a token that is not good any more.
        if error.message != "Not Found":
            raise
        log.warning("webhook_unwatched", reason=error.message)
        return None


async def _until_told(call: Callable[[], Awaitable[T]], hearing: Hearing) -> T:
    """Call until Telegram answers; raise Deaf where it refuses the token."""
    pause_s = 1.0
    while True:
        try:
            answer = await call()
        except InvalidToken as error:
            raise Deaf(
                f"Telegram refuses the token: {error.message}", token_refused=True
            ) from error
        except RetryAfter as error:
            wait = error.retry_after
            pause_s = wait if isinstance(wait, int) else wait.total_seconds()
            reason = error.message
        except Conflict as error:
            reason = f"another bot polls with this token; run one only: {error.message}"
        except TimedOut as error:
            pause_s, reason = 0.5, error.message
        except TelegramError as error:
            reason = error.message
        else:
            hearing.note()
            return answer
        meters.poll_failed()
        log.warning("telegram_not_heard", reason=reason, again_in_s=pause_s)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
