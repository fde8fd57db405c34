"""Statistics: counters of quarters of an hour, added up to the hours or days that are asked for."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from inspect import cleandoc
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query
from pydantic import AfterValidator

from cloud.api.access.dependencies import Caller, Now, SettingsDep, StoreDep, readable_gate
from cloud.api.problems import documented
from cloud.contract import (
    Access,
    Durations,
    Grain,
    Label,
    ProblemCode,
    StatisticsPage,
    StatisticsRow,
)
from cloud.contract.base import GateId, UtcTime
from cloud.errors import GateUnknown, MalformedRequest
from cloud.store import QUARTER, Tally, kept_in_quarters, midnight

router = APIRouter(prefix="/v1/stats", tags=["statistics"])

LONGEST: Final = {Grain.HOUR: timedelta(days=32), Grain.DAY: timedelta(days=401)}
"""A month of hours and a year of days, with what their ends may add."""

USUAL: Final = {Grain.HOUR: timedelta(days=1), Grain.DAY: timedelta(days=30)}


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        # OSError: a name that is a folder of the time zone database, or too long for a file.
        raise ValueError("give the IANA name of a time zone, such as Europe/Madrid") from error
    return name


Zone = Annotated[str, AfterValidator(_zone)]


@router.get(
    "",
    responses=documented(ProblemCode.GATE_FORBIDDEN, ProblemCode.GATE_UNKNOWN),
    description=cleandoc(
        """
        Read what happened, by gate and hour or day.

        Rows are counted in quarters of an hour, so `since` and `until` are taken to the quarter.
        Days are 23 or 25 hours long where clocks change. Numbers are kept for ever as days of the
        server's time zone; past the retention nothing finer is.
        """
    ),
)
def read_statistics(
    *,
    caller: Caller,
    store: StoreDep,
    settings: SettingsDep,
    now: Now,
    gate: Annotated[GateId | None, Query(description="Of this gate alone")] = None,
    since: Annotated[
        UtcTime | None,
        Query(description="From then; else a day of hours, or thirty days, before `until`"),
    ] = None,
    until: Annotated[UtcTime | None, Query(description="Up to then; else up to now")] = None,
    by: Annotated[Grain, Query(description="The length of a row's period")] = Grain.HOUR,
    tz: Annotated[
        Zone | None,
        Query(
            description="Whose hours and days, as an IANA name; else the server's, CLOUD_TIME_ZONE",
            max_length=64,
        ),
    ] = None,
) -> StatisticsPage:
    """Read what happened, by gate and hour or day."""
    zone = ZoneInfo(tz or settings.time_zone)
    until = now if until is None else until
    since = _back(until, USUAL[by]) if since is None else since
    if since >= until:
        raise MalformedRequest("is not before `until`", ("query", "since"))
    if until - since > LONGEST[by]:
        raise MalformedRequest(
            f"is more than {LONGEST[by].days - 1} days before `until`; ask in parts"
            + (", or by day" if by is Grain.HOUR else ""),
            ("query", "since"),
        )
    since = _floor(since)
    asked = readable_gate(caller, gate)
    # What happened at a gate that was deleted is still told, under its id.
    known = sorted({*(each.id for each in store.gates.all()), *store.deletion.gates()})
    gates = known if asked is None else [each for each in known if each == asked]
    if asked is not None and not gates:
        raise GateUnknown(f"there is no gate {asked}")
    total = Tally(since, until)
    busiest = 0
    rows: list[StatisticsRow] = []
    for each in gates:
        quarters = store.statistics.quarters(each, since, until)
        days = store.statistics.days(each, since, until, ZoneInfo(settings.time_zone))
        for tally in (*quarters, *days):
            total.add(tally)
        busiest = max(busiest, _peak(quarters))
        rows += _rows(each, quarters, days, by=by, zone=zone, now=now)
    return StatisticsPage(
        by=by,
        time_zone=zone.key,
        since=since,
        until=until,
        items=rows,
        total=_row(None, total, busiest or None, now),
        hours_kept_since=kept_in_quarters(
            now, timedelta(days=settings.retention_days), ZoneInfo(settings.time_zone)
        ),
    )


def _rows(
    gate: str,
    quarters: Iterable[Tally],
    days: Iterable[Tally],
    *,
    by: Grain,
    zone: ZoneInfo,
    now: datetime,
) -> list[StatisticsRow]:
    periods: dict[datetime, tuple[Tally, list[Tally]]] = {}
    for quarter in quarters:
        start, end = _period(quarter.start, by, zone)
        period, parts = periods.setdefault(start, (Tally(start, end), []))
        period.add(quarter)
        parts.append(quarter)
    # A day that was made while some of its events were still on their way has quarters too.
    whole = {day.start: day for day in days}
    for start in list(whole):
        if by is Grain.DAY and start in periods:
            periods[start][0].add(whole.pop(start))
    rows = [_row(gate, period, _peak(parts), now) for period, parts in periods.values()]
    rows += [_row(gate, day, None, now) for day in whole.values()]
    return sorted(rows, key=lambda row: (row.start, row.end))


def _row(gate: str | None, tally: Tally, peak: int | None, now: datetime) -> StatisticsRow:
    by_label = dict.fromkeys(Label, 0)
    by_access = dict.fromkeys(Access, 0)
    for (access, label), number in tally.events.items():
        by_label[label] += number
        by_access[access] += number
    events = sum(by_label.values())
    passed = max(min(tally.end, now) - tally.start, QUARTER) / timedelta(hours=1)
    p50, p95 = tally.quantile_s(0.5), tally.quantile_s(0.95)
    return StatisticsRow(
        gate=gate,
        start=tally.start,
        end=tally.end,
        events=events,
        granted=by_access[Access.GRANTED],
        refused=by_access[Access.REFUSED],
        labels=by_label,
        compliance_rate=by_label[Label.WITH_MASK] / events if events else None,
        throughput_per_hour=round(events / passed, 3),
        peak_per_hour=peak,
        redeemed=tally.redeemed,
        face_to_qr=None
        if p50 is None or p95 is None
        else Durations(count=tally.bins.total(), p50_s=round(p50, 3), p95_s=round(p95, 3)),
    )


def _peak(quarters: Iterable[Tally]) -> int:
    return 4 * max((quarter.events.total() for quarter in quarters), default=0)


def _period(moment: datetime, by: Grain, zone: ZoneInfo) -> tuple[datetime, datetime]:
    local = moment.astimezone(zone)
    if by is Grain.DAY:
        day = local.date()
        return midnight(day, zone), midnight(day + timedelta(days=1), zone)
    # Subtracted from the moment in UTC: an hour that comes twice in autumn is two rows.
    start = moment - timedelta(minutes=local.minute, seconds=local.second)
    return start, start + timedelta(hours=1)


def _floor(moment: datetime) -> datetime:
    return moment - timedelta(
        minutes=moment.minute % 15, seconds=moment.second, microseconds=moment.microsecond
    )


def _back(moment: datetime, span: timedelta) -> datetime:
    try:
        return moment - span
    except OverflowError as error:
        raise MalformedRequest("is too early", ("query", "until")) from error
