"""Telegram, by python-telegram-bot: a photo with a caption for a pass, a text for the rest."""

import asyncio
import os
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup
from telegram import Message as TelegramMessage
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
    DeliveryError,
    DeliveryImpossible,
    DeliveryPostponed,
    DeliveryThrottled,
)
from cloud.notify.base import Message

CONNECT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 10.0


class TelegramNotifier:
    """Sends through the Bot API, over connections that are kept from one message to the next."""

    def __init__(
        self, token: str, api_url: str, *, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        # The library's own switch: waits are given as timedelta, as they will be for everyone.
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
        """Send one message, and return Telegram's id of it; the address is a chat's id or @name."""
        chat = _chat(message.address)
        markup = None
        if message.acknowledge is not None:
            button = InlineKeyboardButton(message.button, callback_data=message.acknowledge)
            markup = InlineKeyboardMarkup([[button]])
        if message.qr_png is None:
            sent = self._run(
                self._bot.send_message(
                    chat, message.text, disable_notification=message.silent, reply_markup=markup
                )
            )
        else:
            sent = self._run(
                self._bot.send_photo(
                    chat, message.qr_png, caption=message.text, filename="pass.png"
                )
            )
        return str(sent.message_id)

    def close(self) -> None:
        """Close the connections and the loop that they live on."""
        self._loop.run(self._request.shutdown())
        self._loop.close()

    def _run(self, call: Coroutine[Any, Any, TelegramMessage]) -> TelegramMessage:
        try:
            return self._loop.run(call)
        except TelegramError as error:
            raise translated(error) from error
        except (TypeError, ValueError, OverflowError) as error:
            # The library reads `retry_after` and the like before it looks at what they are.
            raise DeliveryPostponed("Telegram's answer could not be read") from error


def _chat(address: str) -> int | str:
    return address if address.startswith("@") else int(address)


def translated(error: TelegramError) -> DeliveryError:
    """Return what an error of the Bot API means to a delivery.

    BadRequest is a NetworkError to the library, and to us a message that will never be taken.
    """
    final = None
    match error:
        case RetryAfter():
            wait = error.retry_after
            seconds = wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
            return DeliveryThrottled(f"Telegram asks to wait {seconds:g} s", seconds)
        case InvalidToken() | EndPointNotFound():
            final = "Telegram does not know the token in CLOUD_TELEGRAM_TOKEN"
        case Forbidden():
            final = f"the chat does not take our messages: {error.message}"
        case ChatMigrated():
            final = f"the chat has moved to {error.new_chat_id}; subscribe that"
        case BadRequest():
            final = f"Telegram refused the message: {error.message}"
    if final is not None:
        return DeliveryImpossible(final)
    if error.message.startswith("Too Many Requests"):  # without `retry_after`
        return DeliveryThrottled("Telegram takes no more messages for now")
    return DeliveryPostponed(f"Telegram could not be reached: {error.message}")
