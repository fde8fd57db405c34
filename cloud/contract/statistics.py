"""Statistics: counts of events and redemptions at gates, by hour and by day."""

from enum import StrEnum

from pydantic import Field

from cloud.contract.base import GateId, Integer, Number, Probability, UtcTime, Wire
from cloud.contract.events import Label


class Grain(StrEnum):
    """How long one row's period is."""

    HOUR = "hour"
    DAY = "day"


class Durations(Wire):
    """Quantiles of durations, each within 2 % of the true one."""

    count: Integer = Field(ge=1, description="How many were measured")
    p50_s: Number = Field(ge=0, description="Half took this many seconds or fewer")
    p95_s: Number = Field(ge=0, description="95 of 100 took this many seconds or fewer")


class StatisticsRow(Wire):
    """The counts at one gate, or at all gates, from `start` up to, but not including, `end`."""

    gate: GateId | None = Field(default=None, description="Absent in the row over all gates read")
    start: UtcTime
    end: UtcTime
    events: Integer = Field(ge=0, description="Events that happened (`occurred_at`) in this period")
    granted: Integer = Field(ge=0)
    refused: Integer = Field(ge=0)
    labels: dict[Label, Integer] = Field(description="Events by label")
    compliance_rate: Probability | None = Field(
        default=None, description="Share of events with a mask worn well; absent without events"
    )
    throughput_per_hour: Number = Field(
        ge=0, description="Events an hour, over the part of the period that has passed"
    )
    peak_per_hour: Integer | None = Field(
        default=None,
        description="Four times the events of the busiest quarter of an hour; absent where days "
        "are kept as a whole",
    )
    redeemed: Integer = Field(description="Passes redeemed in this period, less those undone")
    face_to_qr: Durations | None = Field(
        default=None,
        description="From the first frame that showed the person, since the person came or came "
        "back, to the QR code drawn",
    )


class StatisticsPage(Wire):
    """Rows by gate and time, the oldest first. A period without counts has no row."""

    by: Grain
    time_zone: str = Field(description="Whose hours and days these are (an IANA name)")
    since: UtcTime
    until: UtcTime
    items: list[StatisticsRow]
    total: StatisticsRow = Field(description="The whole span and all gates read, as one row")
    hours_kept_since: UtcTime = Field(
        description="Of what is older, only whole days are kept, in the server's time zone"
    )
