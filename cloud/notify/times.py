"""Moments as people read them: in a gate's time zone, which is always named."""

from datetime import UTC, datetime, tzinfo


def in_full(moment: datetime, zone: tzinfo) -> str:
    """Return date and time of day, such as 2026-03-02 08:15:30 UTC."""
    local = _local(moment, zone)
    return f"{local:%Y-%m-%d %H:%M:%S} {_zone(local)}"


def in_short(moment: datetime, zone: tzinfo, today: datetime) -> str:
    """Return the time of day, such as 08:15:30 UTC; with its date where that is not `today`'s."""
    local = _local(moment, zone)
    if local.date() != _local(today, zone).date():
        return in_full(moment, zone)
    return f"{local:%H:%M:%S} {_zone(local)}"


def _local(moment: datetime, zone: tzinfo) -> datetime:
    """Return the moment in the zone; in UTC where it is within a day of the years' end."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.astimezone(UTC)


def _zone(local: datetime) -> str:
    """Return the zone's abbreviation, such as CET; where it has none, the offset as UTC-03."""
    name = local.tzname() or ""
    return f"UTC{name}" if name.startswith(("+", "-")) else name
