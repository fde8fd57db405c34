"""Moments in the viewer's own time zone."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


@dataclass(frozen=True, slots=True)
class LocalClock:
    """Writes moments as the viewer's wall clock shows them. `now` decides what today is."""

    zone: tzinfo | None
    """None is the zone of this process."""
    name: str
    now: datetime

    @classmethod
    def of(cls, zone: str | None, now: datetime) -> Self:
        """The clock of an IANA zone, as browsers name theirs; of this process if unknown."""
        try:
            known = ZoneInfo(zone) if zone else None
        except (ZoneInfoNotFoundError, ValueError):
            known = None
        if known is None or zone is None:
            return cls(None, f"{now.astimezone().tzname()}, the server's zone", now)
        return cls(known, zone, now)

    def local(self, moment: datetime) -> datetime:
        """The same moment in the viewer's zone."""
        return moment.astimezone(self.zone)

    def moment(self, wall: datetime | None) -> datetime | None:
        """The moment at which this clock shows `wall` (which has no zone of its own)."""
        if wall is None:
            return None
        return wall.replace(tzinfo=self.zone) if self.zone else wall.astimezone()

    def at(self, moment: datetime) -> str:
        """Such as 14:02:03, with the day in front when it is not today."""
        local, today = self.local(moment), self.local(self.now).date()
        if local.date() == today:
            return f"{local:%H:%M:%S}"
        if local.year == today.year:
            return f"{local.day} {local:%b %H:%M:%S}"
        return f"{local.day} {local:%b %Y %H:%M:%S}"

    @staticmethod
    def utc(moment: datetime) -> str:
        """Such as 2026-11-21 13:02:03 UTC."""
        return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
