"""What accepting an event writes: the event, its pass, its deliveries and their jobs, at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from cloud import tracing
from cloud.contract import Decision, Delivery, Event, IssuedPass, PassStatus
from cloud.store import keyspace, statistics
from cloud.store.moments import from_ms, to_ms
from cloud.store.queue import JobWriter
from cloud.store.records import Fields, parsed
from cloud.store.tokens import sha256_of
from cloud.store.transaction import UNGUARDED, Batch, Guards
from cloud.store.visitors import Visitor


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An event with all that follows from it: written whole, or not at all."""

    event: Event
    device_id: str
    decision: Decision
    deliveries: Sequence[Delivery]
    guards: Guards = UNGUARDED
    visitor: Visitor | None = None
    """Whose pass it is, and who so waits no more."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an event was answered with, and to whom; the proof that it was accepted."""

    event: Event
    gate: str
    device_id: str
    decision: Decision
    """Without its pass once that is over: the token is kept no longer."""


def token_key(record: Fields) -> str | None:
    """Return where the token of an accepted event's pass is kept, if it has a pass."""
    held = record[b"pass"]
    return keyspace.pass_token(UUID(held.decode())) if held else None


def receipt(record: Fields, token: bytes | None) -> Receipt:
    """Return what a kept event says, with the token of its pass while there is one."""
    decision = parsed(Decision, record[b"decision"])
    if token is not None:
        issued = IssuedPass(
            id=UUID(record[b"pass"].decode()),
            token=token.decode(),
            expires_at=from_ms(record[b"pass_expires_at"]),
        )
        decision = decision.model_copy(update={"issued_pass": issued})
    return Receipt(
        event=parsed(Event, record[b"event"]),
        gate=record[b"gate"].decode(),
        device_id=record[b"device"].decode(),
        decision=decision,
    )


class Clerk:
    """Writes acceptances down as commands."""

    def __init__(self, jobs: JobWriter, retention: timedelta) -> None:
        self._jobs = jobs
        self._retention = retention
        self._retention_s = int(retention.total_seconds())

    def batch(self, acceptance: Acceptance) -> Batch:
        """Return all that accepting an event writes."""
        event, decision = acceptance.event, acceptance.decision
        gate, issued, at = decision.gate, decision.issued_pass, decision.decided_at
        at_ms, oldest = to_ms(at), to_ms(at - self._retention)
        record = keyspace.event(event.id)
        refusal = decision.refusal
        bare = decision if issued is None else decision.model_copy(update={"issued_pass": None})
        batch = Batch(acceptance.guards)
        batch.hash(
            record,
            {
                "event": event.model_dump_json(),
                "gate": gate,
                "device": acceptance.device_id,
                "access": decision.access.value,
                "accepted_at": at_ms,
                "refusal": refusal.model_dump_json() if refusal else "",
                "pass": str(issued.id) if issued else "",
                "pass_expires_at": to_ms(issued.expires_at) if issued else "",
                "decision": bare.model_dump_json(),
                **({"trace": trace} if (trace := tracing.carrier()) else {}),
            },
            self._retention_s,
        )
        entry = {
            "id": str(event.id),
            "gate": gate,
            "access": decision.access.value,
            "label": event.label.value,
            "device": acceptance.device_id,
        }
        batch.append((keyspace.events(), keyspace.events(gate)), record, oldest, entry)
        counted_at = statistics.happened(event.occurred_at, at, self._retention)
        judged = statistics.judged(decision.access, event.label)
        batch.add("HINCRBY", *statistics.cell(gate, counted_at, judged), 1)
        if issued is not None:
            of_event = {
                "event": str(event.id),
                "issued_at": at_ms,
                "seen_at": to_ms(event.first_seen_at),
            }
            self._pass(batch, issued, gate, of_event)
        for delivery in acceptance.deliveries:
            self._delivery(batch, delivery, oldest)
        if acceptance.visitor is not None:
            batch.add("LREM", keyspace.visitors(gate), 1, acceptance.visitor.member)
            batch.add("DEL", keyspace.visit(acceptance.visitor.chat))
        self._jobs.write(
            batch,
            [delivery.id for delivery in acceptance.deliveries],
            issued.id if issued else None,
            at,
        )
        return batch

    def issue(self, batch: Batch, issued: IssuedPass, gate: str, at: datetime) -> None:
        """Add a pass that follows from no event."""
        self._pass(batch, issued, gate, {"event": "", "issued_at": to_ms(at)})

    def deliver(self, batch: Batch, deliveries: Sequence[Delivery], at: datetime) -> None:
        """Add deliveries that follow from no event, with their jobs."""
        for delivery in deliveries:
            self._delivery(batch, delivery, to_ms(at - self._retention))
        self._jobs.write(batch, [delivery.id for delivery in deliveries], None, at)

    def _pass(self, batch: Batch, issued: IssuedPass, gate: str, more: dict[str, Any]) -> None:
        expires_at = to_ms(issued.expires_at)
        batch.hash(
            keyspace.pass_(issued.id),
            {
                "gate": gate,
                "status": PassStatus.ISSUED.value,
                "expires_at": expires_at,
                "qr_ready_at": "",
                **more,
            },
            self._retention_s,
        )
        batch.add("SET", keyspace.pass_token(issued.id), issued.token, "PXAT", expires_at)
        looked_up = keyspace.token(sha256_of(issued.token))
        batch.add("SET", looked_up, str(issued.id), "EX", self._retention_s)

    def _delivery(self, batch: Batch, delivery: Delivery, oldest: int) -> None:
        kept = keyspace.delivery(delivery.id)
        batch.hash(
            kept,
            {
                "delivery": delivery.model_dump_json(),
                "status": delivery.status.value,
                "detail": delivery.detail,
                "settled_at": "",
            },
            self._retention_s,
        )
        streams = (keyspace.deliveries(), keyspace.deliveries(delivery.gate))
        batch.append(streams, kept, oldest, {"id": delivery.id})
