"""Alerts in Telegram: the button `I take care of it`, and the text once somebody does."""

from datetime import UTC, datetime, tzinfo
from typing import Final

from cloud.contract import Channel, Delivery, DeliveryKind, Language
from cloud.notify.texts import bot_text

ACKNOWLEDGE: Final = "ack:"
"""Start of the data of an alert's button; the event's id follows."""


def is_alert(delivery: Delivery) -> bool:
    """Return whether a delivery is an alert in Telegram of which somebody can take charge."""
    return (
        delivery.channel is Channel.TELEGRAM
        and delivery.kind is DeliveryKind.EVENT
        and delivery.subscriber_id is not None
        and not delivery.with_qr
    )


def acknowledged_text(
    text: str, by: str, at: datetime, language: Language, zone: tzinfo = UTC
) -> str:
    """Return the text of an alert of which somebody has taken charge.

    Args:
        text: The alert as it was sent.
        by: The name of the person in charge.
        at: When the person took charge.
        language: The language of the alert.
        zone: The time zone in which `at` is told.

    Returns:
        The alert with a line that names the person and the time.
    """
    return bot_text("acknowledged", language, zone=zone, now=at, text=text, by=by, at=at)
