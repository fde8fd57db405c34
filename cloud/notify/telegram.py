"""Telegram, by python-telegram-bot: a pass is a photo with a caption, all else is a text."""

import asyncio
import os
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final, TypeVar

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.error import (
    BadRequest,
    ChatMigrated,
    EndPointNotFound,
    Forbidden,
    InvalidToken,
    RetryAfter,
    TelegramError,
)
from telegram.request import HTTPXRequest

from cloud.errors import (
    ChatMoved,
    DeliveryError,
    DeliveryImpossible,
    DeliveryPostponed,
    DeliveryThrottled,
    SubscriberGone,
)
from cloud.notify.base import Message

R = TypeVar("R")

OF_THE_CHAT: Final = (
    *("chat not found", "peer_id_invalid", "user_deactivated", "chat was deactivated"),
    *("no rights to send", "not enough rights", "chat_write_forbidden", "administrator rights"),
)
"""Descriptions that Telegram sends with 400 where the chat is at fault, and not the message. No
document lists them; these are from its open server (github.com/tdlib/telegram-bot-api)."""

LONGEST_TEXT: Final = 4096
LONGEST_CAPTION: Final = 1024
"""Longest text and caption, in UTF-16 code units
(https://core.telegram.org/bots/api#sendmessage and #sendphoto)."""

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 10.0


class TelegramNotifier:
    """Sends through the Bot API, over connections that stay open from one message to the next.

    Args:
        token: The bot's token.
        api_url: The Bot API's address, up to where the token follows.
        answer_timeout_s: Seconds to wait for an answer.
    """

    def __init__(
        self, token: str, api_url: str, *, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        # The library then gives waits as timedelta, which will be its default.
        os.environ.setdefault("PTB_TIMEDELTA", "true")
        self._loop = asyncio.Runner()
        self._request = HTTPXRequest(
            connection_pool_size=4,
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=answer_timeout_s,
            media_write_timeout=answer_timeout_s,
        )
        self._bot = Bot(token, base_url=api_url, request=self._request)

    def send(self, message: Message) -> str:
        """Send one message.

        Args:
            message: The message; its address is a chat's id or @name.

        Returns:
            Telegram's id of the message.
        """
        chat = _chat(message.address)
        markup = None
        if message.acknowledge is not None:
            button = InlineKeyboardButton(message.button, callback_data=message.acknowledge)
            markup = InlineKeyboardMarkup([[button]])
        if message.qr_png is None:
            sent = self._run(
                self._bot.send_message(
                    chat,
                    cut(message.text, LONGEST_TEXT),
                    disable_notification=message.silent,
                    reply_markup=markup,
                )
            )
        else:
            sent = self._run(
                self._bot.send_photo(
                    chat,
                    message.qr_png,
                    caption=cut(message.text, LONGEST_CAPTION),
                    filename="pass.png",
                )
            )
        return str(sent.message_id)

    def edit(self, address: str, message_id: int, text: str) -> None:
        """Replace a message's text, and remove its button."""
        edit = self._bot.edit_message_text(
            cut(text, LONGEST_TEXT), chat_id=_chat(address), message_id=message_id
        )
        try:
            self._run(edit)
        except DeliveryImpossible as error:
            if "not modified" not in str(error):
                raise

    def close(self) -> None:
        """Close the connections and their event loop."""
        self._loop.run(self._request.shutdown())
        self._loop.close()

    def _run(self, call: Coroutine[Any, Any, R]) -> R:
        try:
            return self._loop.run(call)
        except TelegramError as error:
            raise translated(error) from error
        except (TypeError, ValueError, OverflowError) as error:
            # The library reads fields such as `retry_after` without a check of their type.
            raise DeliveryPostponed("Telegram's answer could not be read") from error


def cut(text: str, longest: int) -> str:
    """Return a text that is short enough for Telegram.

    Args:
        text: The text.
        longest: The most UTF-16 code units that Telegram takes.

    Returns:
        The text; where it is too long, its start and an ellipsis.
    """
    units = text.encode("utf-16-le")
    if len(units) <= 2 * longest:
        return text
    # A letter beyond the basic plane has two units; half of one at the end is left out.
    return units[: 2 * (longest - 1)].decode("utf-16-le", errors="ignore") + "…"


def _chat(address: str) -> int | str:
    return address if address.startswith("@") else int(address)


def translated(error: TelegramError) -> DeliveryError:
    """Translate an error of the Bot API into an error of the delivery."""
    match error:
        case RetryAfter():
            wait = error.retry_after
            seconds = wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
            return DeliveryThrottled(f"Telegram asks to wait {seconds:g} s", seconds)
        case ChatMigrated():
            return ChatMoved(str(error.new_chat_id))
    if error.message.startswith("Too Many Requests"):  # without `retry_after`
        return DeliveryThrottled("Telegram takes no more messages for now")
    final = _final(error)
    if final is not None:
        return final
    return DeliveryPostponed(f"Telegram could not be reached: {error.message}")


def _final(error: TelegramError) -> DeliveryImpossible | None:
    """Return the error where no other try will succeed; None where another try may.

    BadRequest is a NetworkError to the library. To us it is a message that is never accepted.

    Args:
        error: The error of the library.

    Returns:
        The error of the delivery, or None.
    """
    match error:
        case InvalidToken() | EndPointNotFound():
            return DeliveryImpossible("Telegram does not know the token in CLOUD_TELEGRAM_TOKEN")
        case Forbidden():
            return SubscriberGone(f"the chat does not take our messages: {error.message}")
        case BadRequest() if any(word in error.message.lower() for word in OF_THE_CHAT):
            return SubscriberGone(f"the chat does not take our messages: {error.message}")
        case BadRequest():
            return DeliveryImpossible(f"Telegram refused the message: {error.message}")
    return None
