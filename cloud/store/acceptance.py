"""What accepting an event writes: the event, its pass, its deliveries and their jobs, at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from cloud import tracing
from cloud.contract import (
    Access,
    Decision,
    Delivery,
    Event,
    IssuedPass,
    PassStatus,
    RefusalReason,
)
from cloud.store import keyspace
from cloud.store.jobs.queue import JobWriter
from cloud.store.moments import from_ms, to_ms
from cloud.store.people.visitors import Visitor
from cloud.store.records import Fields, parsed, refusal
from cloud.store.reports import statistics
from cloud.store.tokens import sha256_of
from cloud.store.transaction import NO_PRECONDITIONS, Batch, Preconditions

_READ_BY_ALL: Final = frozenset({RefusalReason.NO_MASK, RefusalReason.MASK_WORN_WRONGLY})
"""Reasons that every version reads. Earlier versions take a record with another one for damaged."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An event with everything that follows from it, written as a whole or not at all."""

    event: Event
    device_id: str
    decision: Decision
    deliveries: Sequence[Delivery]
    preconditions: Preconditions = NO_PRECONDITIONS
    visitor: Visitor | None = None
    """The visitor who gets the pass, and so stops waiting."""

    happened_at: datetime | None = None
    """When the event occurred, by the cloud's clock; None where that is not known."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer to an accepted event, and the device that got it."""

    event: Event
    gate: str
    device_id: str
    decision: Decision
    """Without its pass once the pass has expired: the token was deleted."""


def token_key(record: Fields) -> str | None:
    """Return the key of the token of an accepted event's pass; None without a pass."""
    held = record[b"pass"]
    return keyspace.pass_token(UUID(held.decode())) if held else None


def receipt(record: Fields, token: bytes | None) -> Receipt:
    """Return the receipt of a stored event, with the token of its pass while there is one."""
    event, gate = parsed(Event, record[b"event"]), record[b"gate"].decode()
    issued = None
    if token is not None:
        issued = IssuedPass(
            id=UUID(record[b"pass"].decode()),
            token=token.decode(),
            expires_at=from_ms(record[b"pass_expires_at"]),
        )
    decision = Decision(
        event_id=event.id,
        gate=gate,
        access=Access(record[b"access"].decode()),
        decided_at=from_ms(record[b"accepted_at"]),
        issued_pass=issued,
        refusal=refusal(record),
    )
    return Receipt(event, gate, record[b"device"].decode(), decision)


class BatchBuilder:
    """Builds the batches of commands that write events, passes and deliveries."""

    def __init__(self, jobs: JobWriter, retention: timedelta) -> None:
        self._jobs = jobs
        self._retention = retention
        self._retention_s = str(int(retention.total_seconds()))

    def for_event(self, acceptance: Acceptance) -> Batch:
        """Return the batch that writes an accepted event."""
        event, decision = acceptance.event, acceptance.decision
        gate, issued, at = decision.gate, decision.issued_pass, decision.decided_at
        at_ms, oldest = str(to_ms(at)), self._oldest(at)
        # Written out once: a UUID's text is put together anew each time.
        event_id, pass_id = str(event.id), str(issued.id) if issued else ""
        refused = decision.refusal
        kept_as = "refusal" if refused and refused.reason in _READ_BY_ALL else "later_refusal"
        happened_at = acceptance.happened_at
        batch = Batch(acceptance.preconditions)
        batch.record(
            keyspace.event(event_id),
            {
                "event": event.model_dump_json(),
                "gate": gate,
                "device": acceptance.device_id,
                "access": decision.access.value,
                "accepted_at": at_ms,
                "refusal": "",
                **({kept_as: refused.model_dump_json()} if refused else {}),
                **({"happened_at": str(to_ms(happened_at))} if happened_at else {}),
                "pass": pass_id,
                "pass_expires_at": str(to_ms(issued.expires_at)) if issued else "",
                **({"trace": trace} if (trace := tracing.carrier()) else {}),
            },
            lifetime_s=self._retention_s,
            streams=(keyspace.events(), keyspace.events(gate)),
            oldest=oldest,
            entry={
                "id": event_id,
                "gate": gate,
                "access": decision.access.value,
                "label": event.label.value,
                "device": acceptance.device_id,
            },
        )
        counted_at = statistics.happened(happened_at, at, self._retention)
        judged = statistics.judged(decision.access, event.label)
        batch.add("HINCRBY", *statistics.cell(gate, counted_at, judged), "1")
        if issued is not None:
            watched_ms = (event.occurred_at - event.first_seen_at) // timedelta(milliseconds=1)
            of_event = {
                "event": event_id,
                "issued_at": at_ms,
                "seen_at": str(max(to_ms(happened_at or at) - watched_ms, 0)),
            }
            self._pass(batch, issued, pass_id, gate, of_event)
        for delivery in acceptance.deliveries:
            self._delivery(batch, delivery, oldest)
        if acceptance.visitor is not None:
            batch.add("LREM", keyspace.visitors(gate), 1, acceptance.visitor.member)
            batch.add("DEL", keyspace.visit(acceptance.visitor.chat))
        self._jobs.write(
            batch,
            [(delivery.id, delivery.channel) for delivery in acceptance.deliveries],
            pass_id or None,
            at,
        )
        return batch

    def add_pass(self, batch: Batch, issued: IssuedPass, gate: str, at: datetime) -> None:
        """Add a manual pass to a batch."""
        self._pass(batch, issued, str(issued.id), gate, {"event": "", "issued_at": str(to_ms(at))})

    def add_deliveries(self, batch: Batch, deliveries: Sequence[Delivery], at: datetime) -> None:
        """Add deliveries that follow from no event, with their jobs, to a batch."""
        for delivery in deliveries:
            self._delivery(batch, delivery, self._oldest(at))
            index = keyspace.deliveries_of(delivery.event_id)
            batch.add("SADD", index, delivery.id)
            batch.add("EXPIRE", index, self._retention_s)
        calls = [(delivery.id, delivery.channel) for delivery in deliveries]
        self._jobs.write(batch, calls, None, at)

    def _pass(
        self, batch: Batch, issued: IssuedPass, pass_id: str, gate: str, more: dict[str, Any]
    ) -> None:
        expires_at = str(to_ms(issued.expires_at))
        batch.hash(
            keyspace.pass_(pass_id),
            {
                "gate": gate,
                "status": PassStatus.ISSUED.value,
                "expires_at": expires_at,
                "qr_ready_at": "",
                **more,
            },
            self._retention_s,
        )
        batch.add("SET", keyspace.pass_token(pass_id), issued.token, "PXAT", expires_at)
        looked_up = keyspace.token(sha256_of(issued.token))
        batch.add("SET", looked_up, pass_id, "EX", self._retention_s)

    def _oldest(self, at: datetime) -> str:
        return str(max(to_ms(at - self._retention), 0))

    def _delivery(self, batch: Batch, delivery: Delivery, oldest: str) -> None:
        batch.record(
            keyspace.delivery(delivery.id),
            {
                "delivery": delivery.model_dump_json(),
                "status": delivery.status.value,
                "detail": delivery.detail,
                "settled_at": "",
            },
            lifetime_s=self._retention_s,
            streams=(keyspace.deliveries(), keyspace.deliveries(delivery.gate)),
            oldest=oldest,
            entry={"id": delivery.id},
        )
