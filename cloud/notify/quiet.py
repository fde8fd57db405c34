"""Quiet hours: whether they are on, and until when."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from cloud.contract import QuietHours


def quiet_until(hours: QuietHours | None, now: datetime) -> datetime | None:
    """Return when the quiet hours that are on at `now` end, in UTC; None where none are on.

    They are read on the wall clock of their time zone, through changes of summer time too. Hours
    that start when they end are all day long: they end a day later.
    """
    if hours is None:
        return None
    zone = ZoneInfo(hours.timezone)
    start, end = time.fromisoformat(hours.start), time.fromisoformat(hours.end)
    here = now.astimezone(zone)
    for day in (here.date() - timedelta(days=1), here.date()):
        begins = datetime.combine(day, start, zone)
        ends = datetime.combine(day if start < end else day + timedelta(days=1), end, zone)
        # Compared in UTC: two moments of one zone are compared by the wall clock alone.
        if begins.astimezone(UTC) <= now.astimezone(UTC) < ends.astimezone(UTC):
            return ends.astimezone(UTC)
    return None
