from datetime import UTC, datetime

import pytest

from cloud.contract import QuietHours
from cloud.notify.quiet import quiet_until

NIGHT = QuietHours(start="22:00", end="07:00", timezone="Europe/Madrid")
NOON = QuietHours(start="12:00", end="13:30")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("hours", "moment", "until"),
    [
        (None, "2026-03-02T23:00", None),
        # Madrid is an hour ahead of UTC in winter.
        (NIGHT, "2026-03-02T20:59", None),
        (NIGHT, "2026-03-02T21:00", "2026-03-03T06:00"),
        (NIGHT, "2026-03-03T05:59", "2026-03-03T06:00"),
        (NIGHT, "2026-03-03T06:00", None),
        # And two in summer; the clocks change in the night of 29 March.
        (NIGHT, "2026-03-28T23:00", "2026-03-29T05:00"),
        (NIGHT, "2026-07-01T20:00", "2026-07-02T05:00"),
        (NOON, "2026-03-02T12:00", "2026-03-02T13:30"),
        (NOON, "2026-03-02T13:30", None),
        (QuietHours(start="08:00", end="08:00"), "2026-03-02T07:00", "2026-03-02T08:00"),
    ],
)
def test_quiet_hours_are_read_on_the_wall_clock_of_their_zone(
    hours: QuietHours | None, moment: str, until: str | None
) -> None:
    assert quiet_until(hours, at(moment)) == (at(until) if until else None)
