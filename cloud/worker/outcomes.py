"""Outcomes of sending: a message waits, or its delivery is settled; and how that is recorded."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import stamina

from cloud.contract import DeliveryStatus
from cloud.errors import StoreUnavailable

RECORDED_WITHIN_S: Final = 15.0
"""Longest time for which a worker waits to record what it has sent while the store is away. With
the 15 s that sending may take, this fits into the time limit of a job."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Wait:
    """A message is not due yet.

    Args:
        seconds: How long it waits.
        reason: Why it waits, for people.
    """

    seconds: int
    reason: str


@dataclass(frozen=True, slots=True)
class Settled:
    """A delivery has its final status.

    Args:
        status: The final status.
        detail: Why it has this status, for people.
        message_id: Telegram's id of the message that was sent.
    """

    status: DeliveryStatus
    detail: str = ""
    message_id: str = ""


def recorded(write: Callable[[], R]) -> R:
    """Record what was sent, and wait for a store that is away: it would be sent again otherwise.

    Args:
        write: The write to the store.

    Returns:
        What `write` returns.

    Raises:
        StoreUnavailable: The store stayed away for RECORDED_WITHIN_S.
        AssertionError: Never; the last attempt returns or raises.
    """
    for attempt in stamina.retry_context(
        on=StoreUnavailable,
        attempts=None,
        timeout=RECORDED_WITHIN_S,
        wait_initial=0.1,
        wait_max=1.0,
    ):
        with attempt:
            return write()
    raise AssertionError("the last attempt returns or raises")
