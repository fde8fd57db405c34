"""Statistics: counters by gate and quarter of an hour.

A counter is raised by the transaction or script that writes the counted object, so a retry counts
nothing twice. Counters lie in one hash for each gate and day in UTC, one field for each
quarter of the day and thing counted: the clocks of the world's zones are whole quarters of an hour
apart, so quarters add up to the hours and days of any of them.

Durations are kept as the bins of a DDSketch (Masson, Rim, Lee: "DDSketch: a fast and
fully-mergeable quantile sketch with relative-error guarantees", VLDB 2019, section 2): a duration
raises the counter of its bin, and bins of any quarters add up to a sketch whose quantiles are
within `ACCURACY` of the true ones.

Quarters past the retention are added up to days (`compact`), which are kept.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, cast
from zoneinfo import ZoneInfo

import redis
from ddsketch import DDSketch
from ddsketch.mapping import LogarithmicMapping

from cloud.contract import Access, Label
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.scripts import MOVE_COUNTERS

QUARTER: Final = timedelta(minutes=15)
ACCURACY: Final = 0.02
"""Relative: a quantile of 2 s is reported as 1.96 to 2.04 s. A factor of 100 has about 115 bins."""

REDEEMED: Final = "redeemed"
_BINS: Final = LogarithmicMapping(ACCURACY)
_SHORTEST_S: Final = 0.001
_DAY: Final = timedelta(days=1)
_FIELDS_A_MOVE: Final = 500


def cell(gate: str, moment: datetime, name: str) -> tuple[str, str]:
    """Return key and field of the counter of `name` (`judged`, `drawn`, `REDEEMED`)."""
    return key(gate, moment), counter(moment, name)


def key(gate: str, moment: datetime) -> str:
    """Return the key of a gate's counters at a moment."""
    return keyspace.quarters(gate, moment.astimezone(UTC).date())


def counter(moment: datetime, name: str) -> str:
    """Return the field of the counter of `name` at a moment."""
    utc = moment.astimezone(UTC)
    return f"{(utc.hour * 60 + utc.minute) // 15}:{name}"


def judged(access: Access, label: Label) -> str:
    """Return the name under which an event is counted."""
    return f"event:{access.value}:{label.value}"


def drawn(seconds: float) -> str:
    """Return the name under which a duration from face to QR code is counted, by its bin."""
    return f"qr:{_BINS.key(max(seconds, _SHORTEST_S))}"


def happened(happened_at: datetime | None, accepted_at: datetime, retention: timedelta) -> datetime:
    """Return the moment at which an event is counted.

    An event of a gate that was offline comes late, and counts when it happened.

    Args:
        happened_at: when it happened by the cloud's clock; None where that is not known.
        accepted_at: when it was accepted.
        retention: how long quarters of an hour are kept.

    Returns:
        When it happened; when it was accepted, where that is not known or before the retention.
    """
    if happened_at is None or happened_at <= accepted_at - retention:
        return accepted_at
    return happened_at


@dataclass(slots=True)
class Tally:
    """Counters of one gate over one span of time.

    `bins` holds durations in seconds from face to QR code, by the bins of a DDSketch.
    """

    start: datetime
    end: datetime
    events: Counter[tuple[Access, Label]] = field(default_factory=Counter)
    redeemed: int = 0
    bins: Counter[int] = field(default_factory=Counter)

    def count(self, name: str, number: int) -> None:
        """Add one counter, by the name under which it is kept."""
        match name.split(":"):
            case ["event", access, label]:
                self.events[Access(access), Label(label)] += number
            case ["qr", key]:
                self.bins[int(key)] += number
            case [other] if other == REDEEMED:
                self.redeemed += number
            case _:
                # A newer version, which ran on this store before, wrote this counter.
                pass

    def add(self, other: "Tally") -> None:
        """Add the counters of another tally; the span stays."""
        self.events += other.events
        self.redeemed += other.redeemed
        self.bins += other.bins

    def quantile_s(self, share: float) -> float | None:
        """Return the quantile at `share` (0 to 1) of the durations, in seconds; None for none."""
        if not self.bins:
            return None
        sketch = DDSketch(ACCURACY)
        for key, number in self.bins.items():
            sketch.add(_BINS.value(key), number)
        return cast(float, sketch.get_quantile_value(share))


@translates_redis_errors
class Statistics:
    """Counters by gate: of quarters of an hour, and of days past the retention."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._move = client.register_script(MOVE_COUNTERS)

    def quarters(self, gate: str, since: datetime, until: datetime) -> list[Tally]:
        """Return the quarters with counters that begin in the span, the oldest first."""
        days = list(_dates(since.astimezone(UTC).date(), until.astimezone(UTC).date()))
        pipe = self._client.pipeline(transaction=False)
        for day in days:
            pipe.hgetall(keyspace.quarters(gate, day))
        found: dict[datetime, Tally] = {}
        for day, counters in zip(days, pipe.execute(), strict=True):
            for start, name, number in _read(day, counters):
                if since <= start < until:
                    tally = found.setdefault(start, Tally(start, start + QUARTER))
                    tally.count(name, number)
        return [found[start] for start in sorted(found)]

    def days(self, gate: str, since: datetime, until: datetime, zone: ZoneInfo) -> list[Tally]:
        """Return the whole days of `zone`, kept past the retention, that begin in the span."""
        first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
        years = range(first.year, last.year + 1)
        pipe = self._client.pipeline(transaction=False)
        for year in years:
            pipe.hgetall(keyspace.days(gate, year))
        found: dict[date, Tally] = {}
        for counters in pipe.execute():
            for field_, number in counters.items():
                text, _, name = field_.decode().partition(":")
                day = date.fromisoformat(text)
                start, end = midnight(day, zone), midnight(day + _DAY, zone)
                if since <= start < until:
                    found.setdefault(day, Tally(start, end)).count(name, int(number))
        return [found[day] for day in sorted(found)]

    def compact(self, before: datetime, zone: ZoneInfo) -> int:
        """Add quarters up to days.

        A counter that is raised later, in a quarter that is already added up, is added to its day
        by the next call.

        Args:
            before: a midnight of `zone`; quarters before it are added up. No day is then kept both
                as quarters and as a day.
            zone: the time zone of the days.

        Returns:
            How many quarters were removed.
        """
        moved = 0
        for key in self._client.scan_iter(match=keyspace.quarters_of_all(), count=500):
            gate, day = keyspace.of_quarters(key.decode())
            if datetime.combine(day, time(), UTC) >= before:
                continue
            counters = cast(Mapping[bytes, bytes], self._client.hgetall(key))
            moves: dict[str, list[str]] = {}
            gone = set()
            for start, name, _ in _read(day, counters):
                if start < before:
                    local = start.astimezone(zone).date()
                    target = keyspace.days(gate, local.year)
                    quarter = (start - datetime.combine(day, time(), UTC)) // QUARTER
                    pair = (f"{quarter}:{name}", f"{local.isoformat()}:{name}")
                    moves.setdefault(target, []).extend(pair)
                    gone.add(start)
            for target, pairs in moves.items():
                for at in range(0, len(pairs), 2 * _FIELDS_A_MOVE):
                    self._move(keys=[key, target], args=pairs[at : at + 2 * _FIELDS_A_MOVE])
            moved += len(gone)
        return moved


def kept_in_quarters(now: datetime, retention: timedelta, zone: ZoneInfo) -> datetime:
    """Return the midnight of `zone` before which quarters are added up to days."""
    return midnight((now - retention).astimezone(zone).date(), zone)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the moment that a day begins in a zone, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _dates(first: date, last: date) -> Iterable[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _read(day: date, counters: Mapping[bytes, bytes]) -> Iterator[tuple[datetime, str, int]]:
    """Yield start, name and number of each counter of a day of quarters."""
    begin = datetime.combine(day, time(), UTC)
    for field_, number in counters.items():
        quarter, _, name = field_.decode().partition(":")
        yield begin + int(quarter) * QUARTER, name, int(number)
