"""Retention: the removal of records past their age.

Records expire by themselves after the retention that was set when they were written, and a stream
is trimmed when something is appended to it. A purge removes the rest: records that were written
under a longer retention, the streams of gates where nothing happens any more, and statistics finer
than a day.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast
from zoneinfo import ZoneInfo

import redis

from cloud.contract import Delivery
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.moments import to_ms
from cloud.store.records import parsed
from cloud.store.reports.statistics import Statistics, kept_in_quarters

BATCH: Final = 500

Dead = Callable[[bytes | None], bool]


@dataclass(frozen=True, slots=True)
class PurgeCounts:
    """How many of each a purge removed."""

    events: int
    passes: int
    deliveries: int
    tokens: int
    quarters: int
    """Quarters of an hour whose statistics were added up to days."""


@translates_redis_errors
class Retention:
    """Removes records that are too old. A second purge removes nothing more."""

    def __init__(self, client: redis.Redis, statistics: Statistics) -> None:
        self._client = client
        self._statistics = statistics

    def purge(self, now: datetime, retention: timedelta, zone: ZoneInfo) -> PurgeCounts:
        """Remove records made before `now - retention`, and add statistics up to days of `zone`."""
        before = now - retention
        oldest = to_ms(before)

        def older(milliseconds: bytes | None) -> bool:
            return milliseconds is not None and milliseconds != b"" and int(milliseconds) < oldest

        def made_before(document: bytes | None) -> bool:
            return document is not None and parsed(Delivery, document).created_at < before

        removed = PurgeCounts(
            events=self._remove(keyspace.EVENT_PREFIX, "accepted_at", older),
            passes=self._remove(keyspace.PASS_PREFIX, "issued_at", older),
            deliveries=self._remove(keyspace.DELIVERY_PREFIX, "delivery", made_before),
            tokens=self._remove_tokens(),
            quarters=self._statistics.compact(kept_in_quarters(now, retention, zone), zone),
        )
        self._trim(max(oldest, 0))
        return removed

    def claim(self, interval: timedelta) -> bool:
        """Return True to one caller in each interval, of all processes, which then purges."""
        return bool(self._client.set(keyspace.PURGED, "1", nx=True, ex=interval))

    def release(self) -> None:
        """Release the claim, so that another process purges."""
        self._client.delete(keyspace.PURGED)

    def _remove(self, prefix: str, field: str, dead: Dead) -> int:
        removed = 0
        for keys in _batches(self._client.scan_iter(match=f"{prefix}*", count=BATCH)):
            pipe = self._client.pipeline(transaction=False)
            for key in keys:
                pipe.hget(key, field)
            doomed = [key for key, value in zip(keys, pipe.execute(), strict=True) if dead(value)]
            if doomed:
                removed += self._client.unlink(*doomed)
        return removed

    def _remove_tokens(self) -> int:
        """Remove the hashes of tokens whose pass was removed."""
        removed = 0
        pattern = keyspace.token("*")
        for keys in _batches(self._client.scan_iter(match=pattern, count=BATCH)):
            passes = cast(list[bytes | None], self._client.mget(keys))
            pipe = self._client.pipeline(transaction=False)
            for pass_id in passes:
                pipe.exists(keyspace.PASS_PREFIX.encode() + (pass_id or b""))
            doomed = [key for key, held in zip(keys, pipe.execute(), strict=True) if not held]
            if doomed:
                removed += self._client.unlink(*doomed)
        return removed

    def _trim(self, oldest: int) -> None:
        held = [
            *cast(list[bytes], self._client.hkeys(keyspace.GATES)),
            *cast(list[bytes], self._client.hkeys(keyspace.DELETED_GATES)),
        ]
        gates = [gate.decode() for gate in held]
        pipe = self._client.pipeline(transaction=False)
        for gate in (None, *gates):
            pipe.xtrim(keyspace.events(gate), minid=oldest, approximate=False)
            pipe.xtrim(keyspace.deliveries(gate), minid=oldest, approximate=False)
            pipe.xtrim(keyspace.redemptions(gate), minid=oldest, approximate=False)
            pipe.xtrim(keyspace.manual_passes(gate), minid=oldest, approximate=False)
        pipe.execute()


def _batches(keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    for key in keys:
        batch.append(key)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
