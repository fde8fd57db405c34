"""Flood control: how many updates one sender, and all unknown senders, may have in the bot.

A flood is cut off where it arrives. A sender may have a limited number of updates waiting, and may
send a limited number in a minute. Unknown senders (no staff, no visitor, no subscriber) share a
limited number of places, so that they never take those of staff and visitors.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

UNKNOWN_WAITING: Final = 1_000
"""Updates of all unknown senders together that may wait; further ones are dropped."""

SENDERS_REMEMBERED: Final = 10_000
"""Senders whose rate is remembered; the one that was silent for the longest is forgotten first."""


@dataclass(frozen=True, slots=True)
class Quota:
    """How much one sender may send.

    Args:
        waiting: Updates that may wait for their answer at the same time.
        per_minute: Updates in a minute, after the burst.
        burst: Updates at once.
    """

    waiting: int
    per_minute: int
    burst: int


UNKNOWN: Final = Quota(waiting=10, per_minute=20, burst=20)
"""Telegram lets a bot answer a chat once a second: 10 updates are 10 s of answers."""

KNOWN: Final = Quota(waiting=30, per_minute=60, burst=60)
"""A guard redeems at most one pass a second."""

NOTICE_EVERY_S: Final = 60.0
"""Least seconds between two notices to a sender whose updates are dropped."""


class FloodDecision(Enum):
    """The decision about an update."""

    ACCEPTED = "accepted"
    DROPPED = "dropped"
    DROPPED_WITH_NOTICE = "dropped_with_notice"
    """The update is dropped, and the bot asks its sender to slow down."""


@dataclass(slots=True)
class _Rate:
    """The rate of one sender.

    Args:
        next_at: The theoretical arrival time of the generic cell rate algorithm (GCRA, see
            cloud/store/messages/telegram_limiter.py), in seconds of the clock.
        noticed_at: When the sender was last asked to slow down, in seconds of the clock.
    """

    next_at: float = 0.0
    noticed_at: float = float("-inf")


class FloodControl:
    """Decides which updates the bot accepts.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._rates: OrderedDict[str, _Rate] = OrderedDict()
        self._waiting: Counter[tuple[str, str]] = Counter()
        self._unknown_waiting = 0

    def accept(self, chat: str, sender: str, *, known: bool) -> FloodDecision:
        """Decide about an update; an accepted one counts as waiting until it is released."""
        quota = KNOWN if known else UNKNOWN
        now = self._clock()
        rate = self._rate_of(sender)
        interval_s = 60 / quota.per_minute
        too_fast = rate.next_at - (quota.burst - 1) * interval_s > now
        if self._waiting[chat, sender] >= quota.waiting or too_fast:
            if rate.noticed_at + NOTICE_EVERY_S > now:
                return FloodDecision.DROPPED
            rate.noticed_at = now
            return FloodDecision.DROPPED_WITH_NOTICE
        if not known and self._unknown_waiting >= UNKNOWN_WAITING:
            return FloodDecision.DROPPED
        rate.next_at = max(rate.next_at, now) + interval_s
        self._waiting[chat, sender] += 1
        self._unknown_waiting += not known
        return FloodDecision.ACCEPTED

    def release(self, chat: str, sender: str, *, known: bool) -> None:
        """Free the place of an update that was accepted and is handled now."""
        self._unknown_waiting -= not known
        place = chat, sender
        self._waiting[place] -= 1
        if not self._waiting[place]:
            del self._waiting[place]

    def _rate_of(self, sender: str) -> _Rate:
        rate = self._rates.setdefault(sender, _Rate())
        self._rates.move_to_end(sender)
        if len(self._rates) > SENDERS_REMEMBERED:
            self._rates.popitem(last=False)
        return rate
