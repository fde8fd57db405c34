"""Deliveries: messages to subscribers and visitors, with their status."""

from enum import StrEnum

from pydantic import Field

from cloud.contract.base import Boolean, GateId, Integer, UtcTime, Uuid, Wire
from cloud.contract.gates import Channel, Language


class DeliveryStatus(StrEnum):
    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    UNDELIVERED_BY_CHOICE = "undelivered_by_choice"
    """The channel is not configured (no Telegram token, say), the chat is muted, or the subscriber
    is suspended. The delivery is kept, so that people see this."""


class DeliveryKind(StrEnum):
    """The subject of a delivery."""

    EVENT = "event"
    """A decision on an event, or a manual pass."""

    REDEMPTION = "redemption"
    GATE = "gate"
    DEVICE = "device"
    TEST = "test"


class Delivery(Wire):
    """One message to one subscriber. The token is never in `text`."""

    id: str
    event_id: Uuid = Field(
        description="The event it tells of. What follows from no event has a pass's id here, or an "
        "id of its own, and no event has that"
    )
    gate: GateId
    channel: Channel
    address: str
    text: str
    with_qr: Boolean = Field(description="The pass's QR code goes with it")
    status: DeliveryStatus
    detail: str = Field(default="", description="Why it failed or was not sent")
    created_at: UtcTime
    settled_at: UtcTime | None = None
    subscriber_id: str | None = Field(
        default=None, description="Absent where the pass went to a visitor"
    )
    kind: DeliveryKind = DeliveryKind.EVENT
    language: Language | None = Field(
        default=None, description="The language of the text, where it was kept"
    )
    attempts: Integer = Field(default=0, ge=0, description="How often a send was begun")
    throttled: Integer = Field(
        default=0,
        ge=0,
        description="How many of these a limit of the receiver put off (429); they do not count "
        "as tries",
    )
    first_attempt_at: UtcTime | None = None
    acknowledged_by: str | None = Field(
        default=None, description="Who acknowledged the event, as Telegram or the API names them"
    )
    acknowledged_at: UtcTime | None = None


class DeliveryPage(Wire):
    """Deliveries, the newest first."""

    items: list[Delivery]
    next: str | None = None


class Acknowledgement(Wire):
    """Who acknowledged an event first, and when."""

    event_id: Uuid
    acknowledged_by: str = Field(description="A name, as Telegram or the API knows it")
    acknowledged_at: UtcTime
