"""Parsing of the updates that long polling brings, one by one.

The library parses a batch as a whole. One update that it cannot parse (Telegram adds fields and
kinds all the time) is then an error for the batch: no update of it is confirmed, and the bot
fetches the same batch again at once and for ever. So an unreadable update is emptied here: the bot
confirms it like the others, and answers nothing.
"""

from typing import Any

import structlog
from telegram import Update
from telegram.request import HTTPXRequest

log = structlog.get_logger("cloud.bot")


class TolerantRequest(HTTPXRequest):
    """Fetches updates, and empties those that cannot be read."""

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Parse an answer of Telegram's Bot API.

        Args:
            payload: The body of the answer.

        Returns:
            The answer, in which each unreadable update is emptied.

        Raises:
            TelegramError: The body is not JSON.
        """
        answer: dict[str, Any] = HTTPXRequest.parse_json_payload(payload)
        updates = answer.get("result")
        if isinstance(updates, list):
            answer["result"] = [emptied_if_unreadable(each) for each in updates]
        return answer


def emptied_if_unreadable(update: dict[str, Any]) -> dict[str, Any]:
    """Return the update, or its number alone where the library cannot read it."""
    try:
        Update.de_json(update, None)
    except Exception:  # the library does not document what it raises here
        update_id = update["update_id"]
        log.exception("update_unreadable", update_id=update_id, reason="an update cannot be read")
        return {"update_id": update_id}
    return update
