"""Quiet hours: whether they are on now, and when they end."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cloud.contract import QuietHours


def quiet_until(hours: QuietHours | None, now: datetime) -> datetime | None:
    """Return when the quiet hours that are on now will end.

    Quiet hours follow the wall clock of their time zone, also when summer time begins or ends. If
    start and end are the same time, the hours are on all day, and end a day later.

    Args:
        hours: The quiet hours of a subscriber, if it has any.
        now: The current time.

    Returns:
        The end in UTC; None where no quiet hours are on.
    """
    if hours is None:
        return None
    zone = ZoneInfo(hours.timezone)
    start, end = time.fromisoformat(hours.start), time.fromisoformat(hours.end)
    here = now.astimezone(zone)
    for day in (here.date() - timedelta(days=1), here.date()):
        begins = datetime.combine(day, start, zone)
        ends = datetime.combine(day if start < end else day + timedelta(days=1), end, zone)
        # Compared in UTC, since Python compares two times of one zone by the wall clock alone.
        if begins.astimezone(UTC) <= now.astimezone(UTC) < ends.astimezone(UTC):
            return ends.astimezone(UTC)
    return None
