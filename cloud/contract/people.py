"""People in Telegram: visitors who wait for a pass, and the staff of a gate."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from cloud.contract.base import GateId, Integer, UtcTime, Wire

ChatId = Annotated[str, StringConstraints(pattern=r"^-?[1-9][0-9]{0,19}$")]
"""A chat of Telegram; groups have negative ids."""


class StaffRole(StrEnum):
    """The role of a chat at a gate."""

    OPERATOR = "operator"
    """May make manual passes and do what a guard may; gets messages about refusals."""

    GUARD = "guard"
    """May redeem passes from the chat."""


class NewPairingCode(Wire):
    role: StaffRole


class PairingCode(NewPairingCode):
    """A one-time code: a chat that sends `/start <code>` to the bot gets the role at the gate."""

    code: str
    gate: GateId
    expires_at: UtcTime
    url: str | None = Field(
        default=None, description="Opens the chat with the code; absent while no bot has started"
    )


class StaffMember(Wire):
    """A chat that was paired with a gate."""

    chat: ChatId
    gate: GateId
    role: StaffRole
    name: str = Field(max_length=200, description="As Telegram names the person or the group")
    paired_at: UtcTime


class VisitorLink(Wire):
    """The deep link by which a chat becomes a visitor; hang it up at the gate as a QR code."""

    gate: GateId
    code: str
    url: str | None = Field(
        default=None,
        description="https://t.me/<bot>?start=gate_<code>; absent while no bot has started",
    )
    waiting: Integer = Field(ge=0, description="Visitors who wait for a pass just now")
