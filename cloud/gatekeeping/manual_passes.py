"""Manual passes: people make them for whom the camera cannot judge."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from uuid import UUID

from cloud import audience
from cloud.contract import Gate, IssuedPass, Language
from cloud.errors import GateClosed, GateUnknown
from cloud.gatekeeping.decision import new_pass
from cloud.store import Store, WriteOutcome, fields_of


@dataclass(frozen=True, slots=True)
class PassIssuer:
    """Who makes a manual pass.

    Attributes:
        actor: The person, as the audit trail names them.
        request_id: The id of the request, for the audit trail.
        pass_id: The id of the pass, where the same request can come twice.
        chat: The chat in Telegram that the code is sent to; empty where the code is shown instead.
        language: The language of that chat.
    """

    actor: str
    request_id: str = ""
    pass_id: UUID | None = None
    chat: str = ""
    language: Language = Language.EN


def issue_manual_pass(
    store: Store,
    gate: Gate,
    issuer: PassIssuer,
    *,
    reason: str,
    lifetime: timedelta,
    now: datetime,
    zone: tzinfo = UTC,
) -> IssuedPass | None:
    """Make a pass without an event, and record in the same step who made it and why.

    Args:
        store: The store.
        gate: The gate that the pass is for.
        issuer: Who makes it.
        reason: Why.
        lifetime: How long the pass is good.
        now: The present.
        zone: The zone in which times are told at a gate without a zone of its own.

    Returns:
        The pass; None where the issuer's `pass_id` exists already, so that the request came twice.

    Raises:
        GateClosed: The gate is closed now, whatever `gate` says.
        GateUnknown: The gate does not exist any more.
    """
    issued = new_pass(now + lifetime, issuer.pass_id)
    deliveries = []
    if issuer.chat:
        deliveries.append(
            audience.of_pass(issuer.chat, gate, issued, issuer.language, now, zone=zone)
        )
    why = fields_of(
        actor=issuer.actor,
        act="pass.issued",
        subject=f"pass:{issued.id}",
        now=now,
        gate=gate.id,
        reason=reason,
        request_id=issuer.request_id,
    )
    while True:
        held, preconditions = store.gates.with_preconditions(gate.id)
        if held is None:
            raise GateUnknown(f"there is no gate {gate.id}")
        if held.closed:
            raise GateClosed(f"gate {gate.id} is closed: open it to make passes there")
        match store.manual_passes.add(
            issued, gate.id, why, deliveries, now, preconditions=preconditions
        ):
            case WriteOutcome.WRITTEN:
                return issued
            case WriteOutcome.EXISTS:
                return None
