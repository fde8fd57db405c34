"""Moments as Redis keeps them: whole milliseconds since 1970, in UTC."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present, cut to milliseconds, which the store can keep."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def to_ms(moment: datetime) -> int:
    """Return milliseconds since 1970-01-01T00:00Z."""
    return int(moment.timestamp() * 1000 + 0.5)


def from_ms(milliseconds: int | bytes | str) -> datetime:
    """Return the aware moment, in UTC."""
    whole = int(milliseconds)
    return datetime.fromtimestamp(whole // 1000, UTC).replace(microsecond=whole % 1000 * 1000)
