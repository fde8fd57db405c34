"""Events: a verdict on its way to the cloud, the decision that answers it, what is kept."""

from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from cloud.contract.base import GateId, Integer, Probability, Sha256, UtcTime, Uuid, Wire
from cloud.contract.passes import IssuedPass, PassRecord


class Label(StrEnum):
    """One face in one frame, or what a sighting's votes agreed on."""

    WITH_MASK = "with_mask"
    WITHOUT_MASK = "without_mask"
    INCORRECT_MASK = "incorrect_mask"


class Access(StrEnum):
    """What the door is told."""

    GRANTED = "granted"
    REFUSED = "refused"


class RefusalReason(StrEnum):
    """Why a pass was not made."""

    NO_MASK = "no_mask"
    MASK_WORN_WRONGLY = "mask_worn_wrongly"
    TOO_LATE = "too_late"
    """The event reached the cloud when its pass would have been over, whatever its label."""

    CLOCK_AHEAD = "clock_ahead"
    """The event lies in the future, so nobody can tell how old it is."""

    GATE_CLOSED = "gate_closed"
    """A mask worn well, at a gate that an operator has closed."""


AnyReason = Annotated[RefusalReason | str, Field(union_mode="left_to_right")]
"""A reader keeps a reason of a later version as its text."""


def _version_7(value: UUID) -> UUID:
    if value.version != 7:
        raise ValueError("an event's id is a UUID of version 7 (RFC 9562 section 5.7)")
    return value


EventId = Annotated[Uuid, AfterValidator(_version_7)]


class Event(Wire):
    """A verdict, as a device posts it. `id` is the idempotency key of all that follows.

    The gate is not in it: the device's key says which gate it guards.
    """

    id: EventId
    label: Label
    confidence: Probability = Field(description="Share of the votes' probability behind the label")
    votes: Integer = Field(ge=1, le=10_000, description="Faces judged in this sighting")
    first_seen_at: UtcTime = Field(
        description="Capture time of the first frame that showed the person"
    )
    occurred_at: UtcTime = Field(description="Capture time of the frame that settled the verdict")
    models: dict[str, Sha256] = Field(
        default_factory=dict, max_length=8, description="Role to SHA-256 of the model that judged"
    )

    @model_validator(mode="after")
    def _seen_before_settled(self) -> Self:
        if self.first_seen_at > self.occurred_at:
            raise ValueError("first_seen_at is later than occurred_at")
        return self


class Refusal(Wire):
    reason: AnyReason
    message: str = Field(
        description="What the person at the gate is told. With `too_late` and `clock_ahead` it is "
        "about a person who may have left: show it to nobody who stands there now"
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
    """An event as the cloud keeps it, with what came of it."""

    gate: GateId
    device_id: str
    access: Access
    accepted_at: UtcTime = Field(description="When the cloud stored it")
    happened_at: UtcTime | None = Field(
        default=None,
        description="When it occurred by the cloud's clock, never later than `accepted_at`; "
        "`occurred_at` is by the device's clock. Absent where that lies in the future, and for "
        "events of before this was kept",
    )
    refusal: Refusal | None = None
    pass_record: PassRecord | None = Field(default=None, alias="pass")
    cursor: str = Field(description="Place in the stream of events; opaque")


class EventPage(Wire):
    """Newest first."""

    items: list[EventRecord]
    next: str | None = Field(
        default=None, description="Give it as `before` to read on; absent at the end"
    )
