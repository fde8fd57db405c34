"""Times as people read them: in a gate's time zone, which is always named."""

from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cloud.contract import Gate


def zone_at(gate: Gate | None, default: tzinfo) -> tzinfo:
    """Return the time zone in which messages about a gate tell times.

    Args:
        gate: The gate, if it is there.
        default: The zone of gates that have none of their own.

    Returns:
        The gate's zone. It is the default as well where this machine does not know the gate's
        zone: a message in another zone, which it names, is better than no message.
    """
    if gate is None or gate.time_zone is None:
        return default
    try:
        return ZoneInfo(gate.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return default


def in_full(moment: datetime, zone: tzinfo) -> str:
    """Return date and time of day, such as 2026-03-02 08:15:30 UTC."""
    local = _local(moment, zone)
    return f"{local.replace(tzinfo=None).isoformat(' ', 'seconds')} {_zone(local)}"


def in_short(moment: datetime, zone: tzinfo, today: datetime) -> str:
    """Return the time of day, such as 08:15:30 UTC; with its date if that is not `today`'s."""
    local = _local(moment, zone)
    if local.date() != _local(today, zone).date():
        return in_full(moment, zone)
    return f"{local.time().isoformat('seconds')} {_zone(local)}"


def in_minutes(moment: datetime, zone: tzinfo, today: datetime | None = None) -> str:
    """Return the time of day without seconds, such as 08:15 UTC.

    Args:
        moment: The time.
        zone: The time zone.
        today: The current time; None where the date is always told.

    Returns:
        The time of day, after its date where that is not today's.
    """
    local = _local(moment, zone)
    if today is None or local.date() != _local(today, zone).date():
        return f"{local:%Y-%m-%d %H:%M} {_zone(local)}"
    return f"{local:%H:%M} {_zone(local)}"


def _local(moment: datetime, zone: tzinfo) -> datetime:
    """Return the time in the zone; in UTC where the zone's year is before 1 or after 9999."""
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.astimezone(UTC)


def _zone(local: datetime) -> str:
    """Return the zone's abbreviation, such as CET; without one, the offset, such as UTC-03."""
    name = local.tzname() or ""
    return f"UTC{name}" if name.startswith(("+", "-")) else name
