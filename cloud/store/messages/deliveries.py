"""Deliveries: messages to subscribers and visitors, with their status.

A delivery's record is a hash: the message itself, and beside it the fields that change.
`held_until` is the end of the lease of the worker that sends it. `attempts` counts the sends that
were begun, and `throttled` those of them that a limit put off. `first_attempt_at` is when the first
was begun. `message_id` is Telegram's id of the sent message, which is edited once somebody
acknowledges the event. A delivery is settled when its status is final.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

import redis

from cloud.contract import Channel, Delivery, DeliveryStatus
from cloud.errors import DeliveryNotFailed, DeliveryUnknown
from cloud.store import keyspace, records
from cloud.store.acceptance import BatchBuilder
from cloud.store.connection import translates_redis_errors
from cloud.store.jobs.queue import JobWriter
from cloud.store.moments import from_ms, now, to_ms
from cloud.store.records import Fields
from cloud.store.scripts import AMEND, BEGIN, RENEW_LEASE
from cloud.store.streams import BATCH, SCANNED_AT_MOST, Span, read_backwards
from cloud.store.transaction import RUN, WRITE, Batch, WriteOutcome, written

Entries = list[tuple[bytes, Fields]]

_AGAIN = frozenset({DeliveryStatus.FAILED.value, DeliveryStatus.UNDELIVERED_BY_CHOICE.value})


@dataclass(frozen=True, slots=True)
class LeasedByAnother:
    """Another worker holds the lease on this delivery, for `wait` at most."""

    wait: timedelta


@dataclass(frozen=True, slots=True)
class Alert:
    """A message in a chat that tells of an event, as Telegram can edit it."""

    chat: str
    message_id: int
    text: str


ACKNOWLEDGEMENT_LIFETIME = timedelta(days=30)

ACKNOWLEDGE = (
    RUN
    + """
-- Note who acknowledges an event, if nobody did before. Answers who did first, and when.
-- KEYS: acknowledgement; ARGV: who, now (ms), lifetime (s), commands that follow (JSON)
if redis.call('HSETNX', KEYS[1], 'by', ARGV[1]) == 1 then
  redis.call('HSET', KEYS[1], 'at', ARGV[2])
  redis.call('EXPIRE', KEYS[1], ARGV[3])
  run(ARGV[4])
end
return redis.call('HMGET', KEYS[1], 'by', 'at')
"""
)

WITH_THE_EVENT = timedelta(seconds=1)
"""The script that appends an event appends its deliveries too. Redis before version 7 does not stop
the clock for a script, so they may be some milliseconds later."""


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """The deliveries that a caller asks for; a field that is None matches any."""

    status: DeliveryStatus | None = None
    channel: Channel | None = None
    subscriber: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def needs_records(self) -> bool:
        """Whether the records have to be read: the stream holds none of these fields."""
        return any(each is not None for each in (self.status, self.channel, self.subscriber))

    def matches(self, delivery: Delivery) -> bool:
        """Return whether a delivery of the span of time matches."""
        return (
            self.status in {None, delivery.status}
            and self.channel in {None, delivery.channel}
            and self.subscriber in {None, delivery.subscriber_id}
        )


@translates_redis_errors
class Deliveries:
    """Deliveries by id, as one stream of all, and as one stream of each gate."""

    def __init__(self, client: redis.Redis, jobs: JobWriter, batches: BatchBuilder) -> None:
        self._client = client
        self._jobs = jobs
        self._batches = batches
        self._write = client.register_script(WRITE)
        self._acknowledge = client.register_script(ACKNOWLEDGE)
        self._amend = client.register_script(AMEND)
        self._begin = client.register_script(BEGIN)
        self._keep_in_hand = client.register_script(RENEW_LEASE)

    def add(self, delivery: Delivery, now: datetime) -> bool:
        """Write a delivery with its job; return False if there is one of its id already."""
        batch = Batch()
        self._batches.add_deliveries(batch, [delivery], now)
        reply = self._write(keys=[keyspace.delivery(delivery.id)], args=batch.arguments)
        return written(reply).outcome is WriteOutcome.WRITTEN

    def get(self, delivery_id: str) -> Delivery | None:
        """Return the delivery, or None."""
        fields = cast(Fields, self._client.hgetall(keyspace.delivery(delivery_id)))
        return records.delivery(fields) if fields else None

    def begin(self, delivery_id: str, lease: timedelta) -> Delivery | LeasedByAnother | None:
        """Take the lease on a pending delivery; return None where it is not pending."""
        answer = self._begin(
            keys=[keyspace.delivery(delivery_id)], args=[int(lease.total_seconds() * 1000)]
        )
        if answer is None:
            return None
        if isinstance(answer, int):
            return LeasedByAnother(timedelta(milliseconds=answer))
        return records.delivery(dict(zip(answer[::2], answer[1::2], strict=True)))

    def renew_lease(self, delivery_id: str, lease: timedelta) -> None:
        """Renew the lease on a delivery that is being sent."""
        self._keep_in_hand(
            keys=[keyspace.delivery(delivery_id)], args=[int(lease.total_seconds() * 1000)]
        )

    def attempt(self, delivery_id: str, now: datetime) -> None:
        """Count a send that is about to be begun."""
        key = keyspace.delivery(delivery_id)
        with self._client.pipeline() as pipe:
            pipe.hincrby(key, "attempts", 1)
            pipe.hsetnx(key, "first_attempt_at", to_ms(now))
            pipe.execute()

    def throttle(self, delivery_id: str) -> None:
        """Count a send that a limit of the other side put off."""
        self._client.hincrby(keyspace.delivery(delivery_id), "throttled", 1)

    def release(self, delivery_id: str, reason: str) -> None:
        """Release the lease on a delivery that is still to be sent; `reason` says why it waits."""
        self._amend(
            keys=[keyspace.delivery(delivery_id)],
            args=[
                *("status", DeliveryStatus.PENDING.value),
                *("detail", reason),
                *("held_until", 0),
            ],
        )

    def settle(
        self,
        delivery_id: str,
        status: DeliveryStatus,
        now: datetime,
        detail: str = "",
        message_id: str = "",
    ) -> bool:
        """Write the final status of a pending delivery; return False if it was settled before."""
        return bool(
            self._amend(
                keys=[keyspace.delivery(delivery_id)],
                args=[
                    *("status", DeliveryStatus.PENDING.value),
                    *("status", status.value),
                    *("detail", detail),
                    *("settled_at", to_ms(now)),
                    *("held_until", 0),
                    *("message_id", message_id),
                ],
            )
        )

    def resend(self, delivery_id: str) -> Delivery:
        """Make a delivery that failed pending again, with its job, in one MULTI.

        Returns:
            The delivery.

        Raises:
            DeliveryUnknown: there is no such delivery.
            DeliveryNotFailed: the delivery is pending or was sent.
        """
        key = keyspace.delivery(delivery_id)
        with self._client.pipeline() as pipe:
            pipe.watch(key)  # type: ignore[no-untyped-call]
            fields = cast(Fields, pipe.hgetall(key))
            if not fields:
                raise DeliveryUnknown(f"there is no delivery {delivery_id}")
            channel = records.delivery(fields).channel
            status = fields[b"status"].decode()
            if status not in _AGAIN:
                raise DeliveryNotFailed(f"this delivery is {status}")
            pipe.multi()
            pipe.hset(
                key,
                mapping={
                    "status": DeliveryStatus.PENDING.value,
                    "detail": "",
                    "settled_at": "",
                    "attempts": 0,
                    "throttled": 0,
                    "held_until": 0,
                },
            )
            pipe.hdel(key, "first_attempt_at")
            for command in self._jobs.commands([(delivery_id, channel)], None, now()):
                pipe.execute_command(*command)  # type: ignore[no-untyped-call]
            try:
                pipe.execute()
            except redis.WatchError as error:
                raise DeliveryNotFailed("somebody else sent this delivery again") from error
        again = self.get(delivery_id)
        if again is None:
            raise DeliveryUnknown(f"there is no delivery {delivery_id}")
        return again

    def acknowledge(
        self, event_id: UUID, by: str, now: datetime, *, show: bool = False
    ) -> tuple[str, datetime]:
        """Acknowledge an event: note who takes care of it.

        Args:
            event_id: of the event.
            by: who acknowledges it, for people.
            now: when.
            show: queue a job that edits the alerts in Telegram, if nobody acknowledged before.

        Returns:
            Who acknowledged the event first, and when.
        """
        batch = Batch()
        if show:
            for command in self._jobs.acknowledgement(event_id, now):
                batch.add(*command)
        lifetime_s = int(ACKNOWLEDGEMENT_LIFETIME.total_seconds())
        first, at = self._acknowledge(
            keys=[keyspace.acknowledgement(event_id)],
            args=[by, to_ms(now), lifetime_s, batch.commands],
        )
        return first.decode(), from_ms(at)

    def show_acknowledgement(self, event_id: UUID, now: datetime) -> None:
        """Queue the job that edits the alerts in Telegram of an acknowledged event."""
        with self._client.pipeline() as pipe:
            for command in self._jobs.acknowledgement(event_id, now):
                pipe.execute_command(*command)  # type: ignore[no-untyped-call]
            pipe.execute()

    def acknowledgement(self, event_id: UUID) -> tuple[str, datetime] | None:
        """Return who acknowledged an event, and when; None where nobody did."""
        key = keyspace.acknowledgement(event_id)
        by, at = cast(list[bytes | None], self._client.hmget(key, ["by", "at"]))
        return (by.decode(), from_ms(at)) if by and at else None

    def acknowledged(self, delivery_ids: Iterable[str], by: str, at: datetime) -> list[Alert]:
        """Note the acknowledgement in each delivery; return the alerts that Telegram can edit."""
        ids = list(delivery_ids)
        pipe = self._client.pipeline(transaction=False)
        for each in ids:
            pipe.hgetall(keyspace.delivery(each))
        alerts = []
        with self._client.pipeline() as noting:
            for each, fields in zip(ids, pipe.execute(), strict=True):
                if not fields:
                    continue
                noting.hset(
                    keyspace.delivery(each),
                    mapping={"acknowledged_by": by, "acknowledged_at": to_ms(at)},
                )
                message_id = records.text(fields.get(b"message_id"))
                if message_id is not None:
                    held = records.delivery(fields)
                    alerts.append(Alert(held.address, int(message_id), held.text))
            noting.execute()
        return alerts

    def page(
        self,
        *,
        gate: str | None,
        status: DeliveryStatus | None,
        before: str | None,
        limit: int,
        wanted: DeliveryFilter | None = None,
    ) -> tuple[list[Delivery], str | None]:
        """Return up to `limit` deliveries, newest first, and the cursor to read on from."""
        asked = replace(wanted or DeliveryFilter(), status=status)
        span = Span.of(asked.since, asked.until)
        found: list[Delivery] = []
        cursor = before
        scanned = 0
        while True:
            size = BATCH if asked.needs_records else limit
            page = read_backwards(
                self._client, keyspace.deliveries(gate), cursor, {}, size, span=span
            )
            pipe = self._client.pipeline(transaction=False)
            for _, entry in page.entries:
                pipe.hgetall(keyspace.delivery(entry[b"id"].decode()))
            for (entry_id, _), fields in zip(page.entries, pipe.execute(), strict=True):
                if not fields:
                    continue
                delivery = records.delivery(fields)
                if not asked.matches(delivery):
                    continue
                if len(found) == limit:
                    return found, cursor
                found.append(delivery)
                cursor = entry_id
            scanned += len(page.entries)
            if page.next_cursor is None or not asked.needs_records or scanned >= SCANNED_AT_MOST:
                return found, page.next_cursor
            cursor = page.next_cursor

    def page_of_event(
        self,
        event_id: UUID,
        *,
        gate: str | None,
        wanted: DeliveryFilter,
        before: str | None,
        limit: int,
    ) -> tuple[list[Delivery], str | None]:
        """Return a page of the deliveries that name an event, found without a scan of the stream.

        Args:
            event_id: of the event; for what follows from none, the id that its delivery names.
            gate: of this gate alone.
            wanted: which of them.
            before: the cursor that the page before gave.
            limit: how many at most.
        """
        newest = f"({before}" if before is not None else "+"
        span = Span.of(wanted.since, wanted.until)
        found = [
            (cursor, delivery)
            for cursor, delivery in self._of_event(event_id)
            if gate in {None, delivery.gate}
            and wanted.matches(delivery)
            and _within(cursor, span, newest)
        ]
        page = found[:limit]
        read_on = page[-1][0] if len(found) > limit else None
        return [delivery for _, delivery in page], read_on

    def of_event(self, event_id: UUID) -> list[Delivery]:
        """Return the deliveries that name an event, newest first."""
        return [delivery for _, delivery in self._of_event(event_id)]

    def _of_event(self, event_id: UUID) -> list[tuple[str, Delivery]]:
        """Return them with their places in the streams."""
        pipe = self._client.pipeline(transaction=False)
        pipe.smembers(keyspace.deliveries_of(event_id))
        pipe.hmget(keyspace.event(event_id), "cursor", "gate")
        indexed, (cursor, gate) = pipe.execute()
        ids: set[str] = {each.decode() for each in indexed}
        if cursor and gate:
            moment = int(cursor.partition(b"-")[0])
            last = moment + int(WITH_THE_EVENT.total_seconds() * 1000)
            entries = self._client.xrange(
                keyspace.deliveries(gate.decode()), min=cursor.decode(), max=str(last)
            )
            named = f"{event_id}_"
            texts = (fields[b"id"].decode() for _, fields in cast(Entries, entries))
            ids.update(text for text in texts if text.startswith(named))
        ordered = sorted(ids)
        for each in ordered:
            pipe.hgetall(keyspace.delivery(each))
        held = [
            (fields[b"cursor"].decode(), records.delivery(fields))
            for fields in pipe.execute()
            if fields
        ]
        return sorted(held, key=lambda each: _place(each[0]), reverse=True)


def _place(cursor: str) -> tuple[int, int]:
    moment, _, number = cursor.partition("-")
    return int(moment), int(number or 0)


def _within(cursor: str, span: Span, newest: str) -> bool:
    """Return whether a place lies in a span, up to before the places that two cursors exclude."""
    place = _place(cursor)
    if span.oldest != "-" and place < _place(span.oldest):
        return False
    ends = (end for end in (span.newest, newest) if end != "+")
    return all(place < _place(end.removeprefix("(")) for end in ends)
