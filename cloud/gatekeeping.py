"""Who enters: event → access decision → pass."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from uuid import UUID

from cloud import audience, tokens
from cloud.contract import (
    Access,
    Decision,
    Event,
    Gate,
    IssuedPass,
    Label,
    Language,
    Refusal,
    RefusalReason,
)
from cloud.errors import EventConflict, GateClosed, GateUnknown
from cloud.occurrence import Occurrence
from cloud.store import (
    Acceptance,
    PolicyContext,
    Receipt,
    Store,
    WriteOutcome,
    fields_of,
)

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
"""Nobody is sent back to the camera where no pass can be made."""

VISITOR_WAIT: Final = timedelta(minutes=10)
"""How long a visitor waits where the settings do not say."""

ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision, and whether it was made now or given before."""

    decision: Decision
    repeated: bool


@dataclass(frozen=True, slots=True)
class PassIssuer:
    """Who makes a pass by hand.

    Args:
        actor: as the audit trail calls them.
        request_id: of the request that asked for it, for the audit trail.
        pass_id: of the pass, where the same request can come twice.
        chat: where in Telegram the code is sent; none where it is shown instead.
    """

    actor: str
    request_id: str = ""
    pass_id: UUID | None = None
    chat: str = ""
    language: Language = Language.EN


def accept(
    store: Store,
    event: Event,
    *,
    gate: str,
    device_id: str,
    pass_lifetime: timedelta,
    now: datetime,
    sent_at: datetime | None = None,
    visitor_wait: timedelta = VISITOR_WAIT,
    zone: tzinfo = UTC,
) -> Answer:
    """Decide on an event and keep it with all that follows; the same event again changes nothing.

    `sent_at` is when the event was sent, by the clock that `occurred_at` is by; None where that is
    not known.

    Raises EventConflict where the id is taken by a different event, or came from another device.
    """
    occurrence = Occurrence.of(event.occurred_at, sent_at, now)
    while True:
        context = store.events.policy_context(gate)
        offered = offer(
            event,
            context,
            device_id,
            pass_lifetime,
            now,
            gate=gate,
            occurrence=occurrence,
            visitor_wait=visitor_wait,
            zone=zone,
        )
        answer = settled(offered, store.events.add(offered))
        if answer is not None:
            return answer


def offer(
    event: Event,
    context: PolicyContext,
    device_id: str,
    pass_lifetime: timedelta,
    now: datetime,
    *,
    gate: str,
    occurrence: Occurrence | None = None,
    visitor_wait: timedelta = VISITOR_WAIT,
    zone: tzinfo = UTC,
) -> Acceptance:
    """Decide on an event, and return what is to be kept; raise GateUnknown without its gate.

    Without an `occurrence` the event's own time is taken at its word. People are told times in
    `zone` where the gate has no zone of its own.
    """
    if context.gate is None:
        raise GateUnknown(f"there is no gate {gate}")
    occurred = occurrence or Occurrence.of(event.occurred_at, None, now)
    lifetime = lifetime_at(context.gate, pass_lifetime)
    decision = decide(event, gate, lifetime, now, occurrence=occurred, closed=context.gate.closed)
    told = audience.of(
        context,
        context.gate,
        event,
        decision,
        occurrence=occurred,
        visitor_wait=visitor_wait,
        zone=zone,
    )
    return Acceptance(
        event,
        device_id,
        decision,
        told.deliveries,
        context.preconditions,
        told.visitor,
        happened_at=occurred.at,
    )


def settled(offered: Acceptance, outcome: Receipt | WriteOutcome) -> Answer | None:
    """Return the answer to an event; None where its context changed: look again, then decide.

    Raises EventConflict where the id is taken by a different event, or came from another device.
    """
    if isinstance(outcome, Receipt):
        return Answer(_repeated(outcome, offered.event, offered.device_id), repeated=True)
    return Answer(offered.decision, repeated=False) if outcome is WriteOutcome.WRITTEN else None


def decide(
    event: Event,
    gate: str,
    pass_lifetime: timedelta,
    now: datetime,
    *,
    occurrence: Occurrence | None = None,
    closed: bool = False,
) -> Decision:
    """Return the answer to a verdict: a pass for a mask worn well, a refusal for all else.

    The pass lives from the occurrence. Where it would be over, or nobody can tell when the event
    occurred, that is the reason of the refusal, whatever the label. At a gate that is closed no
    pass is made.
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
        issued_pass=_new_pass(expires_at),
    )


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


def lifetime_at(gate: Gate, default: timedelta) -> timedelta:
    """Return how long a gate's passes are good."""
    own = gate.pass_lifetime_s
    return default if own is None else timedelta(seconds=own)


def issue_manual_pass(
    store: Store,
    gate: Gate,
    maker: PassIssuer,
    *,
    reason: str,
    lifetime: timedelta,
    now: datetime,
    zone: tzinfo = UTC,
) -> IssuedPass | None:
    """Make a pass without an event, and write down who did and why in the same step.

    Returns:
        None where the maker's `pass_id` is there already: the request came twice.

    Raises:
        GateClosed: the gate is closed, now and not only when `gate` was read.
        GateUnknown: there is no such gate any more.
    """
    issued = _new_pass(now + lifetime, maker.pass_id)
    told = []
    if maker.chat:
        told.append(audience.of_pass(maker.chat, gate, issued, maker.language, now, zone=zone))
    why = fields_of(
        actor=maker.actor,
        act="pass.issued",
        subject=f"pass:{issued.id}",
        now=now,
        gate=gate.id,
        reason=reason,
        request_id=maker.request_id,
    )
    while True:
        held, preconditions = store.gates.with_preconditions(gate.id)
        if held is None:
            raise GateUnknown(f"there is no gate {gate.id}")
        if held.closed:
            raise GateClosed(f"gate {gate.id} is closed: open it to make passes there")
        match store.manual_passes.add(issued, gate.id, why, told, now, preconditions=preconditions):
            case WriteOutcome.WRITTEN:
                return issued
            case WriteOutcome.EXISTS:
                return None


def _new_pass(expires_at: datetime, pass_id: UUID | None = None) -> IssuedPass:
    # One call of the system's generator for both.
    random = secrets.token_bytes(ID_BYTES + tokens.TOKEN_BYTES)
    return IssuedPass(
        id=pass_id or UUID(bytes=random[:ID_BYTES], version=4),
        token=tokens.token_of(random[ID_BYTES:]),
        expires_at=expires_at,
    )


def _repeated(receipt: Receipt, event: Event, device_id: str) -> Decision:
    if receipt.device_id != device_id or receipt.event != event:
        raise EventConflict(
            f"event {event.id} was accepted before with other contents; give a new event a new id"
        )
    return receipt.decision
