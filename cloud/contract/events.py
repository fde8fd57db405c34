"""Events: a verdict on its way to the cloud, its decision, and its record."""

from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from cloud.contract.base import (
    CameraName,
    GateId,
    Integer,
    Probability,
    Sha256,
    UtcTime,
    Uuid,
    Wire,
)
from cloud.contract.passes import IssuedPass, PassRecord


class Label(StrEnum):
    """The label of one face in one frame, or of a sighting by its votes."""

    WITH_MASK = "with_mask"
    WITHOUT_MASK = "without_mask"
    INCORRECT_MASK = "incorrect_mask"


class Access(StrEnum):
    """The decision at the door."""

    GRANTED = "granted"
    REFUSED = "refused"


class RefusalReason(StrEnum):
    """Why no pass was made."""

    NO_MASK = "no_mask"
    MASK_WORN_WRONGLY = "mask_worn_wrongly"
    TOO_LATE = "too_late"
    """The event reached the cloud when its pass would have expired already, whatever its label."""

    CLOCK_AHEAD = "clock_ahead"
    """The event lies in the future, so its age is not known."""

    GATE_CLOSED = "gate_closed"
    """The mask is worn well, but an operator has closed the gate."""


AnyReason = Annotated[RefusalReason | str, Field(union_mode="left_to_right")]
"""A reader keeps a reason of a later version as its text."""


def _version_7(value: UUID) -> UUID:
    if value.version != 7:
        raise ValueError("an event's id is a UUID of version 7 (RFC 9562 section 5.7)")
    return value


EventId = Annotated[Uuid, AfterValidator(_version_7)]


class Event(Wire):
    """A verdict, as a device posts it. `id` is the idempotency key of all that follows.

    It does not name the gate: the device's key is bound to its gate.
    """

    id: EventId
    label: Label
    confidence: Probability = Field(description="Share of the votes' probability behind the label")
    votes: Integer = Field(ge=1, le=10_000, description="Faces judged in this sighting")
    first_seen_at: UtcTime = Field(
        description="Capture time of the first frame that showed the person since the person came, "
        "or came back after an earlier verdict"
    )
    occurred_at: UtcTime = Field(description="Capture time of the frame that completed the verdict")
    models: dict[str, Sha256] = Field(
        default_factory=dict, max_length=8, description="Role to SHA-256 of the model that judged"
    )
    camera: CameraName | None = Field(
        default=None,
        description="Which of the device's cameras saw the person; null where the device has one",
    )

    @model_validator(mode="after")
    def _seen_before_verdict(self) -> Self:
        if self.first_seen_at > self.occurred_at:
            raise ValueError("first_seen_at is later than occurred_at")
        return self


class Refusal(Wire):
    reason: AnyReason
    message: str = Field(
        description="A sentence for the person at the gate. With `too_late` and `clock_ahead` that "
        "person may have left: show it to nobody who stands there now"
    )


class Decision(Wire):
    """The answer to an event. The same event id again gets the same decision."""

    event_id: EventId
    gate: GateId
    access: Access
    decided_at: UtcTime
    issued_pass: IssuedPass | None = Field(
        default=None, alias="pass", description="Present when access is granted"
    )
    refusal: Refusal | None = Field(default=None, description="Present when access is refused")


class EventRecord(Event):
    """An event as the cloud keeps it, with its decision and its pass."""

    gate: GateId
    device_id: str
    access: Access
    accepted_at: UtcTime = Field(description="When the cloud stored it")
    happened_at: UtcTime | None = Field(
        default=None,
        description="When it occurred by the cloud's clock, never later than `accepted_at`; "
        "`occurred_at` is by the device's clock. Absent where that lies in the future, and for "
        "events of versions that did not keep it",
    )
    refusal: Refusal | None = None
    pass_record: PassRecord | None = Field(default=None, alias="pass")
    cursor: str = Field(description="Place in the stream of events; opaque")


class EventPage(Wire):
    """Events, the newest first."""

    items: list[EventRecord]
    next: str | None = Field(
        default=None, description="Give it as `before` to read on; absent at the end"
    )
