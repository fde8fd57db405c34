"""The bodies that are posted to webhooks.

`type` names the event, and so the shape of `data`: `WebhookBody` is the union of all bodies.

The request is signed as https://www.standardwebhooks.com/ says: `webhook-id` (the same for every
try), `webhook-timestamp`, and `webhook-signature` with the HMAC-SHA256 of the three, under the
secret that was shown when the subscriber was made.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field

from cloud.contract.base import Boolean, GateId, Integer, Probability, UtcTime, Uuid, Wire
from cloud.contract.events import Access, Decision, Event, Label, Refusal
from cloud.contract.gates import Gate


class WebhookType(StrEnum):
    PASS_ISSUED = "pass.issued"
    EVENT_REFUSED = "event.refused"
    PASS_REDEEMED = "pass.redeemed"
    PASS_REDEMPTION_UNDONE = "pass.redemption_undone"
    GATE_CLOSED = "gate.closed"
    GATE_OPENED = "gate.opened"
    DEVICE_OFFLINE = "device.offline"
    DEVICE_ONLINE = "device.online"
    TEST = "test"


class WebhookData(Wire):
    """An event with its decision, without the token."""

    event_id: Uuid
    gate: GateId
    gate_name: str
    access: Access
    label: Label
    confidence: Probability
    votes: Integer
    occurred_at: UtcTime
    happened_at: UtcTime | None = Field(
        default=None,
        description="`occurred_at` by the cloud's clock; absent where it is not known",
    )
    delivered_late: Boolean = Field(
        default=False, description="It reached the cloud more than a minute after it occurred"
    )
    pass_id: Uuid | None = None
    pass_expires_at: UtcTime | None = None
    refusal: Refusal | None = None


class WebhookEvent(Wire):
    """A decision on an event."""

    type: Literal[WebhookType.PASS_ISSUED, WebhookType.EVENT_REFUSED]
    timestamp: UtcTime
    data: WebhookData

    @classmethod
    def of(
        cls,
        gate: Gate,
        event: Event,
        decision: Decision,
        *,
        happened_at: datetime | None = None,
        delivered_late: bool = False,
    ) -> Self:
        """Return the body for a decision at a gate."""
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
                happened_at=happened_at,
                delivered_late=delivered_late,
                pass_id=issued.id if issued else None,
                pass_expires_at=issued.expires_at if issued else None,
                refusal=decision.refusal,
            ),
        )


class RedemptionData(Wire):
    """A redeemed pass, without the token."""

    pass_id: Uuid
    event_id: Uuid | None = Field(
        default=None, description="The event that the pass followed from; absent for a manual pass"
    )
    gate: GateId
    gate_name: str
    redeemed_at: UtcTime
    undone_at: UtcTime | None = Field(
        default=None, description="When the redemption was taken back, in `pass.redemption_undone`"
    )


class RedemptionWebhook(Wire):
    """A pass was redeemed, or a redemption was undone and the pass is good again."""

    type: Literal[WebhookType.PASS_REDEEMED, WebhookType.PASS_REDEMPTION_UNDONE]
    timestamp: UtcTime
    data: RedemptionData


class GateData(Wire):
    """A gate after the change."""

    gate: GateId
    gate_name: str
    closed: Boolean
    reason: str = Field(default="", description="Why, in the words of who changed it")


class GateWebhook(Wire):
    """A gate was closed or opened."""

    type: Literal[WebhookType.GATE_CLOSED, WebhookType.GATE_OPENED]
    timestamp: UtcTime
    data: GateData


class DeviceData(Wire):
    """A device that is silent, or is back."""

    device_id: str
    device_name: str
    gate: GateId
    gate_name: str
    silent_since: UtcTime = Field(description="When the device was last heard before its silence")


class DeviceWebhook(Wire):
    """A device fell silent, or is back."""

    type: Literal[WebhookType.DEVICE_OFFLINE, WebhookType.DEVICE_ONLINE]
    timestamp: UtcTime
    data: DeviceData


class TestData(Wire):
    """The subscriber of a test."""

    __test__ = False  # not a class of tests, whatever pytest makes of its name

    gate: GateId
    gate_name: str
    subscriber_id: str


class TestWebhook(Wire):
    """A test of a webhook by an operator. Nothing has happened at the gate."""

    __test__ = False  # as above

    type: Literal[WebhookType.TEST]
    timestamp: UtcTime
    data: TestData


WebhookBody = Annotated[
    WebhookEvent | RedemptionWebhook | GateWebhook | DeviceWebhook | TestWebhook,
    Field(discriminator="type"),
]
"""Every body that a webhook can get; read one with `pydantic.TypeAdapter(WebhookBody)`."""
