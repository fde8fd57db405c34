"""Updates as they come by long polling, read one by one.

The library reads a batch as a whole: one update that it cannot read (Telegram adds fields and
kinds all the time) is an error for all of them, none is confirmed, and the same batch is fetched
again at once and for ever. So such an update is emptied on its way in: it is confirmed like the
others, and nobody answers it.
"""

from typing import Any

import structlog
from telegram import Update
from telegram.request import HTTPXRequest

log = structlog.get_logger("cloud.bot")


class PatientRequest(HTTPXRequest):
    """Fetches updates, and empties those that cannot be read."""

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """Return an answer of Telegram's; raise TelegramError where it is no JSON."""
        answer: dict[str, Any] = HTTPXRequest.parse_json_payload(payload)
        updates = answer.get("result")
        if isinstance(updates, list):
            answer["result"] = [readable(each) for each in updates]
        return answer


def readable(update: dict[str, Any]) -> dict[str, Any]:
    """Return the update, or, where the library cannot read it, its number alone."""
    try:
        Update.de_json(update, None)
    except Exception:  # whatever the library trips over: it does not say what it raises
        number = update["update_id"]
        log.exception("update_unreadable", update_id=number, reason="an update cannot be read")
        return {"update_id": number}
    return update
