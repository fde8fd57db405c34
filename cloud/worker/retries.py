"""Retries: when a delivery that was put off is tried again, and when it is given up.

A refusal with 429 says that the other side takes nothing for now, and nothing about the message,
so it is no try. What else goes wrong is a try, and each channel has so many. Both are bounded by
the time since the first try.
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
"""Six hours: for no longer a delivery is put off at once, whatever the other side asks."""

GIVEN_UP_AFTER: Final = timedelta(days=1)
"""A delivery that has not gone out so long after its first try is given up."""


@dataclass(frozen=True, slots=True)
class Again:
    """The next try."""

    wait_s: int


@dataclass(frozen=True, slots=True)
class GivenUp:
    """No further try, and why."""

    reason: str


def after(delivery: Delivery, error: DeliveryPostponed, now: datetime) -> Again | GivenUp:
    """Return what follows a try that was put off.

    Args:
        delivery: as it was before this try.
        error: why the try failed, and for how long the other side asks us to wait.
        now: when it failed.

    Returns:
        The next try after the longer of what was asked and what the channel's schedule says, or
        the end where the tries or GIVEN_UP_AFTER are used up.
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
    # The queue waits whole seconds; up to a second more than was asked is within what was asked.
    return int(min(seconds, LONGEST_WAIT_S - 1)) + 1
