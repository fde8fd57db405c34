"""When an event occurred, by the cloud's clock. A door's own clock may be wrong."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, Self

CLOCKS_AGREE: Final = timedelta(seconds=2)
"""Clocks that differ by less are taken as equal. The header `Date` has whole seconds (RFC 9110
section 5.6.7), and the request took a moment to arrive."""

AHEAD_AT_MOST: Final = timedelta(seconds=60)
"""An occurrence that lies in the future by no more than this counts as now."""

DELAYED_AFTER: Final = timedelta(seconds=10)
"""An event that is older on its arrival is not about a visitor who came after it occurred."""

LATE_AFTER: Final = timedelta(minutes=1)
"""Messages about an event that is older on its arrival say that it was delivered late."""

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""An occurrence is never taken to be earlier, whatever a door's clock says."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """When an event occurred.

    Attributes:
        at: By the cloud's clock, in whole milliseconds, never later than `accepted_at`. None where
            the event lies in the future, so that nobody can tell how old it is.
        accepted_at: When the event reached the cloud.
    """

    at: datetime | None
    accepted_at: datetime

    @classmethod
    def of(cls, occurred_at: datetime, sent_at: datetime | None, now: datetime) -> Self:
        """Judge a door's time by the cloud's clock.

        Args:
            occurred_at: When the event occurred, by the door's clock.
            sent_at: When the door sent it, by the same clock (the header `Date`). None where it is
                not known: then the door's clock is taken at its word.
            now: By the cloud's clock.

        Returns:
            The age of the event is `sent_at - occurred_at`, so an error of the door's clock
            cancels out.
        """
        agree = sent_at is None or abs(now - sent_at) < CLOCKS_AGREE
        age = (now if sent_at is None or agree else sent_at) - occurred_at
        if age < -AHEAD_AT_MOST:
            return cls(None, now)
        at = now - min(max(age, timedelta()), now - EARLIEST)
        return cls(at.replace(microsecond=at.microsecond // 1000 * 1000), now)

    @property
    def delayed(self) -> bool:
        """Whether somebody who waits now may have come after the event occurred."""
        return self.at is not None and self.accepted_at - self.at > DELAYED_AFTER

    @property
    def late(self) -> bool:
        """Whether people are told that the event was delivered late."""
        return self.at is not None and self.accepted_at - self.at > LATE_AFTER


def sent_at(dates: list[str]) -> datetime | None:
    """Return the time in the header `Date` of a request.

    Args:
        dates: The values of all headers `Date`. All three forms of RFC 9110 section 5.6.7 are read;
            a time without a zone is in UTC.

    Returns:
        The time; None where there is no such header, there are several, or it cannot be read.
    """
    if len(dates) != 1:
        return None
    try:
        moment = parsedate_to_datetime(dates[0])
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
