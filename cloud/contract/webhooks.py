"""What a webhook is told of a gate's events, in the body of a POST.

The request is signed as https://www.standardwebhooks.com/ says: `webhook-id` (the same for every
try), `webhook-timestamp`, and `webhook-signature` with the HMAC-SHA256 of the three, under the
secret that was shown when the subscriber was made.
"""

from enum import StrEnum
from typing import Self
from uuid import UUID

from cloud.contract.base import GateId, Probability, UtcTime, Wire
from cloud.contract.events import Access, Decision, Event, Label, Refusal
from cloud.contract.gates import Gate


class WebhookType(StrEnum):
    PASS_ISSUED = "pass.issued"
    EVENT_REFUSED = "event.refused"


class WebhookData(Wire):
    """An event and what came of it. The token is not in it."""

    event_id: UUID
    gate: GateId
    gate_name: str
    access: Access
    label: Label
    confidence: Probability
    votes: int
    occurred_at: UtcTime
    pass_id: UUID | None = None
    pass_expires_at: UtcTime | None = None
    refusal: Refusal | None = None


class WebhookEvent(Wire):
    """The body."""

    type: WebhookType
    timestamp: UtcTime
    data: WebhookData

    @classmethod
    def of(cls, gate: Gate, event: Event, decision: Decision) -> Self:
        """Return what is told of a decision at a gate."""
        issued = decision.issued_pass
        return cls(
            type=WebhookType.EVENT_REFUSED if issued is None else WebhookType.PASS_ISSUED,
            timestamp=decision.decided_at,
            data=WebhookData(
                event_id=event.id,
                gate=gate.id,
                gate_name=gate.name,
                access=decision.access,
                label=event.label,
                confidence=event.confidence,
                votes=event.votes,
                occurred_at=event.occurred_at,
                pass_id=issued.id if issued else None,
                pass_expires_at=issued.expires_at if issued else None,
                refusal=decision.refusal,
            ),
        )
