"""Events, and the one transaction that accepts them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

import redis
from rq import Queue

from cloud.contract import (
    Access,
    Decision,
    Delivery,
    Event,
    EventRecord,
    Gate,
    IssuedPass,
    Label,
    PassStatus,
    Subscriber,
)
from cloud.store import keyspace, statistics
from cloud.store.connection import at_the_door
from cloud.store.moments import from_ms, to_ms
from cloud.store.passes import sha256_of
from cloud.store.queue import enqueue
from cloud.store.records import Fields, StoredPass, event_record, parsed
from cloud.store.scripts import APPEND
from cloud.store.streams import Span, backwards


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an event was answered with, and to whom; the proof that it was accepted."""

    event: Event
    gate: str
    device_id: str
    decision: Decision
    """Without its pass once that is over: the token is kept no longer."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a decision on an event needs to know."""

    receipt: Receipt | None
    gate: Gate | None
    subscribers: list[Subscriber]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An event with all that follows from it: written whole, or not at all."""

    event: Event
    device_id: str
    decision: Decision
    deliveries: Sequence[Delivery]


@at_the_door
class Events:
    """Events by id, as a stream of all, and as a stream for each gate."""

    def __init__(self, client: redis.Redis, queue: Queue, retention: timedelta) -> None:
        self._client = client
        self._queue = queue
        self._retention = retention

    def surroundings(self, event_id: UUID, gate: str) -> Surroundings:
        """Return, in one round trip, what is known of the event and of its gate."""
        pipe = self._client.pipeline(transaction=False)
        pipe.hgetall(keyspace.event(event_id))
        pipe.hget(keyspace.GATES, gate)
        pipe.hvals(keyspace.subscribers(gate))
        fields, gate_document, subscribers = pipe.execute()
        return Surroundings(
            receipt=self._receipt(fields) if fields else None,
            gate=parsed(Gate, gate_document) if gate_document else None,
            subscribers=[parsed(Subscriber, document) for document in subscribers],
        )

    def add(self, acceptance: Acceptance) -> bool:
        """Write event, pass, deliveries and jobs in one MULTI; return False if the id is taken."""
        record = keyspace.event(acceptance.event.id)
        with self._client.pipeline() as pipe:
            pipe.watch(record)  # type: ignore[no-untyped-call]
            if pipe.exists(record):
                return False
            pipe.multi()
            self._write(pipe, acceptance)
            try:
                pipe.execute()
            except redis.WatchError:
                return False
        return True

    def get(self, event_id: UUID, now: datetime) -> EventRecord | None:
        """Return the event as it is at `now`, or None."""
        fields = cast(Fields, self._client.hgetall(keyspace.event(event_id)))
        return self._records([fields], now)[0] if fields else None

    def page(
        self,
        *,
        gate: str | None,
        access: Access | None,
        label: Label | None,
        before: str | None,
        limit: int,
        now: datetime,
        device: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> tuple[list[EventRecord], str | None]:
        """Return up to `limit` events, newest first, and the cursor to read on from.

        `since` and `until` bound when the events were accepted: from then, up to before then.
        """
        wanted = {b"access": access, b"label": label, b"device": device}
        window = backwards(
            self._client,
            keyspace.events(gate),
            before,
            {name: str(value) for name, value in wanted.items() if value is not None},
            limit,
            span=Span.of(since, until),
        )
        pipe = self._client.pipeline(transaction=False)
        for _, entry in window.entries:
            pipe.hgetall(keyspace.event(UUID(entry[b"id"].decode())))
        # Trimming is by whole nodes of the stream, so an entry may outlive its record.
        held = [fields for fields in pipe.execute() if fields]
        return self._records(held, now), window.read_on

    def _receipt(self, fields: Fields) -> Receipt:
        decision = parsed(Decision, fields[b"decision"])
        if fields[b"pass"]:
            pass_id = UUID(fields[b"pass"].decode())
            token = cast(bytes | None, self._client.get(keyspace.pass_token(pass_id)))
            if token is not None:
                issued = IssuedPass(
                    id=pass_id,
                    token=token.decode(),
                    expires_at=from_ms(fields[b"pass_expires_at"]),
                )
                decision = decision.model_copy(update={"issued_pass": issued})
        return Receipt(
            event=parsed(Event, fields[b"event"]),
            gate=fields[b"gate"].decode(),
            device_id=fields[b"device"].decode(),
            decision=decision,
        )

    def _records(self, kept: Sequence[Fields], now: datetime) -> list[EventRecord]:
        ids = [UUID(fields[b"pass"].decode()) if fields[b"pass"] else None for fields in kept]
        pipe = self._client.pipeline(transaction=False)
        for pass_id in ids:
            if pass_id is not None:
                pipe.hgetall(keyspace.pass_(pass_id))
        passes = iter(pipe.execute())
        records = []
        for fields, pass_id in zip(kept, ids, strict=True):
            held = next(passes) if pass_id is not None else None
            stored = StoredPass.read(pass_id, held) if pass_id is not None and held else None
            records.append(event_record(fields, stored, now))
        return records

    def _write(self, pipe: redis.client.Pipeline, acceptance: Acceptance) -> None:
        event, decision = acceptance.event, acceptance.decision
        gate, issued, at = decision.gate, decision.issued_pass, decision.decided_at
        oldest = to_ms(at - self._retention)
        record = keyspace.event(event.id)
        pipe.hset(
            record,
            mapping={
                "event": event.model_dump_json(),
                "gate": gate,
                "device": acceptance.device_id,
                "access": decision.access.value,
                "accepted_at": to_ms(at),
                "refusal": decision.refusal.model_dump_json() if decision.refusal else "",
                "pass": str(issued.id) if issued else "",
                "pass_expires_at": to_ms(issued.expires_at) if issued else "",
                "decision": decision.model_copy(update={"issued_pass": None}).model_dump_json(),
            },
        )
        pipe.expire(record, self._retention)
        entry = {
            "id": event.id,
            "gate": gate,
            "access": decision.access,
            "label": event.label,
            "device": acceptance.device_id,
        }
        _append(pipe, (keyspace.events(), keyspace.events(gate)), record, oldest, entry)
        counted_at = statistics.happened(event.occurred_at, at, self._retention)
        judged = statistics.judged(decision.access, event.label)
        pipe.hincrby(*statistics.cell(gate, counted_at, judged))
        if issued is not None:
            pipe.hset(
                keyspace.pass_(issued.id),
                mapping={
                    "gate": gate,
                    "event": str(event.id),
                    "status": PassStatus.ISSUED.value,
                    "issued_at": to_ms(at),
                    "expires_at": to_ms(issued.expires_at),
                    "qr_ready_at": "",
                    "seen_at": to_ms(event.first_seen_at),
                },
            )
            pipe.expire(keyspace.pass_(issued.id), self._retention)
            pipe.set(keyspace.pass_token(issued.id), issued.token, pxat=to_ms(issued.expires_at))
            pipe.set(keyspace.token(sha256_of(issued.token)), str(issued.id), ex=self._retention)
        for delivery in acceptance.deliveries:
            kept = keyspace.delivery(delivery.id)
            pipe.hset(
                kept,
                mapping={
                    "delivery": delivery.model_dump_json(),
                    "status": delivery.status.value,
                    "detail": delivery.detail,
                    "settled_at": "",
                },
            )
            pipe.expire(kept, self._retention)
            streams = (keyspace.deliveries(), keyspace.deliveries(gate))
            _append(pipe, streams, kept, oldest, {"id": delivery.id})
        enqueue(
            self._queue,
            (delivery.id for delivery in acceptance.deliveries),
            issued.id if issued else None,
            pipe,
        )


def _append(
    pipe: redis.client.Pipeline,
    streams: tuple[str, str],
    record: str,
    oldest: int,
    entry: dict[str, object],
) -> None:
    # EVAL and not EVALSHA: a script that Redis does not know would fail inside of the MULTI, and
    # a MULTI does not roll back.
    arguments = [str(part) for pair in entry.items() for part in pair]
    pipe.eval(APPEND, 3, *streams, record, str(max(oldest, 0)), *arguments)
