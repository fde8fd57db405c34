"""The clock of the viewer: times as the page writes them."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@dataclass(frozen=True, slots=True)
class LocalClock:
    """Writes times as the viewer's wall clock shows them.

    Args:
        zone: The viewer's zone; None for the zone of this process.
        name: The name of the zone, as the page shows it.
        now: The time now, which decides what today is.
    """

    zone: tzinfo | None
    name: str
    now: datetime

    @classmethod
    def of(cls, zone: str | None, now: datetime) -> Self:
        """Return the clock of an IANA zone; of this process's zone where that zone is not known."""
        try:
            known = ZoneInfo(zone) if zone else None
        except (ZoneInfoNotFoundError, ValueError):
            known = None
        if known is None or zone is None:
            return cls(None, f"{now.astimezone().tzname()}, the server's zone", now)
        return cls(known, zone, now)

    def local(self, moment: datetime) -> datetime:
        """Return the same time in the viewer's zone."""
        return moment.astimezone(self.zone)

    def moment(self, wall: datetime | None) -> datetime | None:
        """Return the time at which this clock shows `wall`, which has no zone of its own."""
        if wall is None:
            return None
        return wall.replace(tzinfo=self.zone) if self.zone else wall.astimezone()

    def at(self, moment: datetime) -> str:
        """Write a time such as 14:02:03, with the day in front where it is not today."""
        local, today = self.local(moment), self.local(self.now).date()
        if local.date() == today:
            return f"{local:%H:%M:%S}"
        if local.year == today.year:
            return f"{local.day} {local:%b %H:%M:%S}"
        return f"{local.day} {local:%b %Y %H:%M:%S}"

    @staticmethod
    def utc(moment: datetime) -> str:
        """Write a time such as 2026-11-21 13:02:03 UTC."""
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
