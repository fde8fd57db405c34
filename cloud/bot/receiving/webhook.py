"""The webhook: Telegram sends updates to a server of the bot, and the bot watches that it does."""

import asyncio
from functools import partial
from typing import Final

import structlog
from telegram import Bot, Update, WebhookInfo
from telegram.error import InvalidToken
from telegram.ext import Updater

from cloud.bot.receiving.connection_watchdog import ConnectionLost, ConnectionWatchdog
from cloud.bot.receiving.long_polling import ALLOWED_UPDATES, Accept
from cloud.errors import CannotStart
from cloud.listening import host_of_both_families
from cloud.settings import Settings

log = structlog.get_logger("cloud.bot")

CHECK_EVERY_S: Final = 20.0

PATH: Final = "telegram"


class WebhookQueue(asyncio.Queue[object]):
    """The queue into which the library puts the updates of a webhook: they go to `accept` at once.

    The library confirms an update to Telegram when `put` returns.
    """

    accept: Accept | None = None

    async def put(self, item: object) -> None:
        """Accept an update.

        Args:
            item: The update.

        Raises:
            TypeError: The item is not an update, or `accept` is not set.
        """
        if not isinstance(item, Update) or self.accept is None:
            raise TypeError(f"nobody accepts this: {item!r}")
        await self.accept([item])


async def start_webhook(
    updater: Updater, settings: Settings, secret: str
) -> tuple[str, tuple[str | None, int]]:
    """Start the server of the webhook, and tell Telegram of it.

    Args:
        updater: The part of the library that serves the webhook.
        settings: Where the server listens, and the address at which Telegram reaches it.
        secret: The token that Telegram sends with each update.

    Returns:
        The webhook's URL, and the host and the port on which its server listens.

    Raises:
        CannotStart: The port is taken.
    """
    url = f"{settings.public_url}/{PATH}"
    host, port = host_of_both_families(settings.host), settings.telegram_webhook_port
    try:
        await updater.start_webhook(
            listen=host,
            port=port,
            url_path=PATH,
            webhook_url=url,
            secret_token=secret,
            allowed_updates=ALLOWED_UPDATES,
            drop_pending_updates=False,
        )
    except OSError as error:
        raise CannotStart(
            f"the bot cannot listen on CLOUD_TELEGRAM_WEBHOOK_PORT {port}: {error}"
        ) from error
    return url, (host or None, port)


async def watch_webhook(
    bot: Bot, url: str, address: tuple[str | None, int], watchdog: ConnectionWatchdog
) -> None:
    """Check every CHECK_EVERY_S that the webhook is ours and that its server listens.

    Args:
        bot: The bot whose webhook it is.
        url: The webhook as the bot set it.
        address: Host and port on which the server listens; the host None is this machine.
        watchdog: Is reset by each check that succeeds.

    Raises:
        ConnectionLost: Somebody else set or removed the webhook, or the server does not listen.
    """
    last_error_at = None
    while True:
        try:
            _, writer = await asyncio.open_connection(*address)
        except OSError as error:
            raise ConnectionLost(f"the webhook's server does not listen: {error}") from error
        writer.close()
        info = await watchdog.call(partial(_webhook_of, bot))
        if info is not None and info.url != url:
            done = "replaced" if info.url else "removed"
            raise ConnectionLost(f"somebody else {done} the webhook")
        if info is not None and info.last_error_date not in {None, last_error_at}:
            last_error_at = info.last_error_date
            log.warning(
                "webhook_failing",
                reason=info.last_error_message,
                pending=info.pending_update_count,
            )
        watchdog.was_connected = True
        await asyncio.sleep(CHECK_EVERY_S)


async def _webhook_of(bot: Bot) -> WebhookInfo | None:
    """Return the webhook that Telegram has; None where the Bot API's server does not say."""
    try:
        return await bot.get_webhook_info()
    except InvalidToken as error:
        # The library raises InvalidToken for 401 (a token that is not good any more) and for 404.
        # 404 means a malformed token, with which the bot would not have started, or a method that
        # the server does not know.
        if error.message != "Not Found":
            raise
        log.warning("webhook_unwatched", reason=error.message)
        return None
