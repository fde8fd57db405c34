"""Records: hashes and documents in Redis, read into the cloud's types."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from cloud.contract import (
    Delivery,
    Event,
    EventRecord,
    PassRecord,
    PassStatus,
    Refusal,
)
from cloud.errors import StoreFault
from cloud.store.moments import from_ms

Fields = Mapping[bytes, bytes]
"""A Redis hash, as redis-py returns it."""

M = TypeVar("M", bound=BaseModel)


def parsed(model: type[M], document: bytes | str) -> M:
    """Return `document` (JSON) as a `model`; raise StoreFault where it does not fit."""
    try:
        return model.model_validate_json(document)
    except ValidationError as error:
        raise StoreFault(f"a kept {model.__name__} cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class StoredPass:
    """A pass as it is kept.

    `status` is never `expired`: that follows from the time. A manual pass has no event.
    """

    id: UUID
    event_id: UUID | None
    gate: str
    status: PassStatus
    issued_at: datetime
    expires_at: datetime
    qr_ready_at: datetime | None
    redeemed_at: datetime | None
    seen_at: datetime | None = None
    """`Event.first_seen_at` of the event that the pass is for."""
    redeemed_gate: str | None = None
    redeemed_by: str | None = None
    revoked_at: datetime | None = None
    made_by: str | None = None
    reason: str | None = None

    @classmethod
    def read(cls, pass_id: UUID, fields: Fields) -> "StoredPass":
        """Return the pass that `fields` hold."""
        event = fields[b"event"]
        return cls(
            id=pass_id,
            event_id=UUID(event.decode()) if event else None,
            gate=fields[b"gate"].decode(),
            status=PassStatus(fields[b"status"].decode()),
            issued_at=from_ms(fields[b"issued_at"]),
            expires_at=from_ms(fields[b"expires_at"]),
            qr_ready_at=_moment(fields.get(b"qr_ready_at")),
            redeemed_at=_moment(fields.get(b"redeemed_at")),
            seen_at=_moment(fields.get(b"seen_at")),
            redeemed_gate=text(fields.get(b"redeemed_gate")),
            redeemed_by=text(fields.get(b"redeemed_by")),
            revoked_at=_moment(fields.get(b"revoked_at")),
            made_by=text(fields.get(b"made_by")),
            reason=text(fields.get(b"reason")),
        )

    def record(self, now: datetime) -> PassRecord:
        """Return the pass as it is listed at `now`."""
        status = self.status
        if status is PassStatus.ISSUED and now >= self.expires_at:
            status = PassStatus.EXPIRED
        return PassRecord(
            id=self.id,
            gate=self.gate,
            status=status,
            issued_at=self.issued_at,
            expires_at=self.expires_at,
            qr_ready_at=self.qr_ready_at,
            redeemed_at=self.redeemed_at,
            redeemed_gate=self.redeemed_gate,
            redeemed_by=self.redeemed_by,
            revoked_at=self.revoked_at,
            event_id=self.event_id,
            made_by=self.made_by,
            reason=self.reason,
        )


def event_record(fields: Fields, held: StoredPass | None, now: datetime) -> EventRecord:
    """Return the event that `fields` hold, with its pass as it is at `now`."""
    event = parsed(Event, fields[b"event"])
    return EventRecord.model_validate(
        {
            **event.model_dump(),
            "gate": fields[b"gate"].decode(),
            "device_id": fields[b"device"].decode(),
            "access": fields[b"access"].decode(),
            "accepted_at": from_ms(fields[b"accepted_at"]),
            "happened_at": _moment(fields.get(b"happened_at")),
            "refusal": refusal(fields),
            "pass": None if held is None else held.record(now),
            "cursor": fields[b"cursor"].decode(),
        }
    )


def refusal(fields: Fields) -> Refusal | None:
    """Return the refusal that an event's `fields` hold, if any.

    A reason that earlier versions cannot read is in a field of its own, which they ignore.

    Args:
        fields: of the event.

    Returns:
        The refusal; None where the event was granted.
    """
    kept = fields.get(b"later_refusal") or fields[b"refusal"]
    return parsed(Refusal, kept) if kept else None


def delivery(fields: Fields) -> Delivery:
    """Return the delivery that `fields` hold."""
    return Delivery.model_validate(
        {
            **parsed(Delivery, fields[b"delivery"]).model_dump(),
            "status": fields[b"status"].decode(),
            "detail": fields[b"detail"].decode(),
            "settled_at": _moment(fields[b"settled_at"]),
            "attempts": int(fields.get(b"attempts", 0)),
            "throttled": int(fields.get(b"throttled", 0)),
            "first_attempt_at": _moment(fields.get(b"first_attempt_at")),
            "acknowledged_by": text(fields.get(b"acknowledged_by")),
            "acknowledged_at": _moment(fields.get(b"acknowledged_at")),
        }
    )


def text(value: bytes | None) -> str | None:
    """Return a field's text; None where it is missing or empty."""
    return value.decode() if value else None


def _moment(milliseconds: bytes | None) -> datetime | None:
    return from_ms(milliseconds) if milliseconds else None
