"""The decision on an event: a pass for a mask worn well, a refusal for anything else."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from cloud import tokens
from cloud.contract import (
    Access,
    Decision,
    Event,
    Gate,
    IssuedPass,
    Label,
    Refusal,
    RefusalReason,
)
from cloud.occurrence import Occurrence

CLOSED: Final = "This entrance is closed just now. Please speak to the staff."

REFUSALS: Final = {
    Label.WITHOUT_MASK: Refusal(
        reason=RefusalReason.NO_MASK, message="Please put on a mask, then look at the camera again."
    ),
    Label.INCORRECT_MASK: Refusal(
        reason=RefusalReason.MASK_WORN_WRONGLY,
        message="Please cover your nose and mouth, then look at the camera again.",
    ),
}

GATE_CLOSED: Final = Refusal(reason=RefusalReason.GATE_CLOSED, message=CLOSED)

REFUSALS_WHILE_CLOSED: Final = {
    Label.WITHOUT_MASK: Refusal(
        reason=RefusalReason.NO_MASK,
        message="Please put on a mask. This entrance is closed just now.",
    ),
    Label.INCORRECT_MASK: Refusal(
        reason=RefusalReason.MASK_WORN_WRONGLY,
        message="Please cover your nose and mouth. This entrance is closed just now.",
    ),
}
"""These texts send nobody back to the camera: a closed gate makes no passes."""


def decide(
    event: Event,
    gate: str,
    pass_lifetime: timedelta,
    now: datetime,
    *,
    occurrence: Occurrence | None = None,
    closed: bool = False,
) -> Decision:
    """Return the decision on an event.

    Args:
        event: The event.
        gate: The gate of the device that sent it.
        pass_lifetime: How long a pass is good, from the occurrence on.
        now: When the event reached the cloud.
        occurrence: When the event occurred; without it, the event's own time is believed.
        closed: Whether the gate is closed.

    Returns:
        A pass for a mask worn well. A refusal where the pass would have expired already, or where
        the event lies in the future, whatever the label; where the gate is closed; and for every
        other label.
    """
    occurred = occurrence or Occurrence.of(event.occurred_at, None, now)
    if occurred.at is None:
        return _refused(event, gate, now, _clock_ahead(event))
    expires_at = occurred.at + pass_lifetime
    if expires_at <= now:
        return _refused(event, gate, now, _too_late(occurred.at))
    if closed:
        refusal = REFUSALS_WHILE_CLOSED.get(event.label, GATE_CLOSED)
        return _refused(event, gate, now, refusal)
    if event.label in REFUSALS:
        return _refused(event, gate, now, REFUSALS[event.label])
    return Decision(
        event_id=event.id,
        gate=gate,
        access=Access.GRANTED,
        decided_at=now,
        issued_pass=new_pass(expires_at),
    )


def lifetime_at(gate: Gate, default: timedelta) -> timedelta:
    """Return how long the passes of a gate are good."""
    own = gate.pass_lifetime_s
    return default if own is None else timedelta(seconds=own)


def new_pass(expires_at: datetime, pass_id: UUID | None = None) -> IssuedPass:
    """Return a pass with a new token; the pass gets a new id unless one is given."""
    return IssuedPass(id=pass_id or uuid4(), token=tokens.new_token(), expires_at=expires_at)


def _refused(event: Event, gate: str, now: datetime, refusal: Refusal) -> Decision:
    return Decision(
        event_id=event.id, gate=gate, access=Access.REFUSED, decided_at=now, refusal=refusal
    )


def _too_late(at: datetime) -> Refusal:
    return Refusal(
        reason=RefusalReason.TOO_LATE,
        message="This verdict came too late for a pass: it was made at "
        f"{at:%Y-%m-%d %H:%M:%S} UTC.",
    )


def _clock_ahead(event: Event) -> Refusal:
    at = event.occurred_at
    return Refusal(
        reason=RefusalReason.CLOCK_AHEAD,
        message="This verdict got no pass: its time, "
        f"{at:%Y-%m-%d %H:%M:%S} UTC, lies in the future. The door's clock is ahead.",
    )
