"""The introduction of the bot: Telegram learns its commands, and the store its name."""

import asyncio
from typing import Any, Final

import structlog
from telegram.error import InvalidToken, TelegramError
from telegram.ext import ExtBot

from cloud.errors import StoreError
from cloud.store import Store

log = structlog.get_logger("cloud.bot")

COMMANDS: Final = {
    "en": {
        "start": "Show the id of this chat",
        "status": "Where you wait, and the alerts of this chat",
        "cancel": "Stop waiting",
        "gates": "Your gates",
        "mute": "Mute alerts for a while",
        "pass": "Make a pass by hand (operators)",
        "scan": "Redeem a pass (guards)",
        "language": "Change the language",
        "help": "What this bot does",
    },
    "es": {
        "start": "Muestra el identificador de este chat",
        "status": "Dónde esperas y los avisos de este chat",
        "cancel": "Termina la espera",
        "gates": "Tus puertas",
        "mute": "Silencia las alertas un rato",
        "pass": "Haz un pase a mano (operadores)",
        "scan": "Canjea un pase (guardias)",
        "language": "Cambia el idioma",
        "help": "Qué hace este bot",
    },
}


async def introduce(bot: ExtBot[Any], store: Store) -> None:
    """Show the bot's commands in Telegram's menu, and keep its name for links to it.

    Args:
        bot: The bot, initialized.
        store: Keeps the name.

    Raises:
        InvalidToken: Telegram does not know the token.
    """
    try:
        for language, commands in COMMANDS.items():
            code = None if language == "en" else language
            await bot.set_my_commands(list(commands.items()), language_code=code)
    except InvalidToken:
        raise
    except TelegramError as error:
        log.warning("commands_not_shown", reason=error.message)
    try:
        await asyncio.to_thread(store.chats.introduce, bot.username)
    except StoreError as error:
        log.warning("bot_name_not_kept", reason=str(error))
    log.info("bot_started", name=bot.username)
