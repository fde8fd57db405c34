"""Retries: when a delivery that was put off is tried again, and when it is given up.

An answer of 429 says that the other side takes nothing for now, and says nothing about the message,
so it costs no try. Every other failure costs a try, and each channel has a number of tries. The
time since the first try bounds both.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cloud.contract import Delivery
from cloud.errors import DeliveryPostponed, DeliveryThrottled
from cloud.notify.channels import CHANNELS

THROTTLED_WAIT_S: Final = 30
"""Seconds to wait after a 429 that does not say how long."""

LONGEST_WAIT_S: Final = 21_600
"""Longest wait between two tries (six hours), whatever the other side asks."""

GIVEN_UP_AFTER: Final = timedelta(days=1)
"""How long after its first try a delivery that was not sent is given up."""


@dataclass(frozen=True, slots=True)
class Again:
    """There is another try.

    Args:
        wait_s: Seconds until the try.
    """

    wait_s: int


@dataclass(frozen=True, slots=True)
class GivenUp:
    """There is no other try.

    Args:
        reason: Why, for people.
    """

    reason: str


def after(delivery: Delivery, error: DeliveryPostponed, now: datetime) -> Again | GivenUp:
    """Return what follows a try that was put off.

    Args:
        delivery: The delivery as it was before this try.
        error: Why the try failed, and how long the other side asks us to wait.
        now: When the try failed.

    Returns:
        The next try, after the longer one of the wait that was asked for and the wait of the
        channel's schedule; or the end, where the tries or GIVEN_UP_AFTER are used up.
    """
    if now - (delivery.first_attempt_at or now) >= GIVEN_UP_AFTER:
        hours = GIVEN_UP_AFTER // timedelta(hours=1)
        return GivenUp(f"given up {hours} hours after the first try: {error}")
    if isinstance(error, DeliveryThrottled):
        scheduled = THROTTLED_WAIT_S if error.retry_after_s is None else 1
    else:
        tries = delivery.attempts + 1 - delivery.throttled
        waits = CHANNELS[delivery.channel].retry_waits_s
        if tries > len(waits):
            return GivenUp(f"given up after {tries} tries: {error}")
        scheduled = waits[tries - 1]
    return Again(max(scheduled, _asked(error.retry_after_s)))


def _asked(seconds: float | None) -> int:
    if seconds is None or seconds <= 0:
        return 0
    # The queue waits whole seconds, so the wait is rounded up.
    return int(min(seconds, LONGEST_WAIT_S - 1)) + 1
