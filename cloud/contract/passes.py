"""Passes: the right to enter once, and the attempts to use it."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from cloud.contract.base import GateId, UtcTime, Uuid, Wire
from cloud.contract.gates import PassLifetime
from cloud.contract.text import Readable, Reason

TOKEN_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
"""58 letters: no 0, O, I or l, which people confuse (base58, draft-msporny-base58-03 section 2)."""

TOKEN_LENGTH = 13
"""13 letters of 58 are 76 bits: a guess at a million live passes is right with chance 1e-17."""

Token = Annotated[str, StringConstraints(pattern=rf"^[{TOKEN_ALPHABET}]{{{TOKEN_LENGTH}}}$")]

Nonce = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]


class IssuedPass(Wire):
    """A pass in the hands of its bearer: the one message that carries the token."""

    id: Uuid
    token: Token
    expires_at: UtcTime


class NewPass(Wire):
    """A request for a manual pass, for a person whom the camera cannot judge."""

    reason: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500), Readable
    ] = Field(description="Why, for the audit trail")
    lifetime_s: PassLifetime | None = Field(
        default=None,
        description="Seconds to its expiry; unset: as long as other passes of the gate",
    )


class ManualPass(IssuedPass):
    """A manual pass with its token, for the operator who made it; it follows from no event."""

    gate: GateId


class PassStatus(StrEnum):
    ISSUED = "issued"
    REDEEMED = "redeemed"
    EXPIRED = "expired"
    REVOKED = "revoked"


class PassRecord(Wire):
    """A pass as it is listed: never with the token."""

    id: Uuid
    gate: GateId
    status: PassStatus
    issued_at: UtcTime
    expires_at: UtcTime
    qr_ready_at: UtcTime | None = Field(
        default=None, description="When the worker had its QR code drawn and handed over"
    )
    redeemed_at: UtcTime | None = None
    redeemed_gate: GateId | None = None
    redeemed_by: str | None = Field(
        default=None, description="Whose redemption it was, as `scanner` in a redemption attempt"
    )
    revoked_at: UtcTime | None = None
    event_id: Uuid | None = Field(
        default=None, description="The event that it follows from; absent for a manual pass"
    )
    made_by: str | None = Field(
        default=None,
        description="Who made the manual pass, as the audit trail names them. Shown to viewers, "
        "operators and admins alone",
    )
    reason: str | None = Field(
        default=None, description="Why the manual pass was made. Shown to the same roles"
    )


class PassSource(StrEnum):
    """The origin of a pass."""

    EVENT = "event"
    BY_HAND = "by_hand"


class PassPage(Wire):
    """Newest first."""

    items: list[PassRecord]
    next: str | None = Field(default=None, description="Give it as `before` to read on")


class Outcome(StrEnum):
    """The outcome of a redemption; all but the first are refusals."""

    ADMITTED = "admitted"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    ALREADY_REDEEMED = "already_redeemed"
    REVOKED = "revoked"
    WRONG_GATE = "wrong_gate"
    GATE_CLOSED = "gate_closed"
    UNDONE = "undone"


class RedemptionRequest(Wire):
    """One attempt to enter, posted by a scanner.

    The same nonce again (a retry after a lost answer) gets the same answer.
    """

    token: str = Field(
        min_length=1,
        max_length=2048,
        description="What the scanner read: the token, or the address that ends in it",
    )
    nonce: Nonce = Field(description="Made once for each attempt by the scanner")
    gate: GateId | None = Field(
        default=None, description="Where the scanner stands; a key bound to a gate need not say"
    )
    admitted_at: UtcTime | None = Field(
        default=None,
        description="When the door admitted the bearer by the pass's signature, with the cloud "
        "away. The attempt is then recorded as of that time, and the outcome says whether the "
        "admission was right. For keys of scanners alone",
    )


class Redemption(Wire):
    """The answer to an attempt. A refusal is an answer, not an error: the status is 200."""

    outcome: Outcome
    message: str = Field(description="What the person at the gate is told")
    at: UtcTime = Field(description="When this attempt was decided")
    pass_id: Uuid | None = Field(default=None, description="Absent when the token is unknown")
    redeemed_at: UtcTime | None = Field(
        default=None, description="When the pass was first redeemed, if it was"
    )
    redeemed_gate: GateId | None = None


class UndoRequest(Wire):
    """A request to undo a redemption: the person was admitted, and the turnstile did not turn.

    With its nonce it is taken back once, however often the request is repeated.
    """

    reason: Reason = Field(default="", description="Why, for the audit trail")
    nonce: Nonce | None = Field(
        default=None,
        description="The nonce of the redemption that is undone. Without it the latest is meant, "
        "and only if none of this pass was undone before",
    )


class RedemptionAttempt(Wire):
    """An attempt to enter, as it is kept: with its outcome, and never with the token.

    A repeated attempt, with the nonce of the first, is one attempt.
    """

    cursor: str = Field(description="Its place in the list")
    at: UtcTime = Field(description="When it was decided")
    gate: GateId = Field(description="Where the scanner stands")
    outcome: Outcome
    scanner: str = Field(
        description="Who made it: a key's id, an account's, or `chat` with the chat's id"
    )
    scanner_name: str = Field(default="", description="What they were called then")
    role: str = Field(
        default="", description="What they were then: `scanner`, `operator`, `admin` or `guard`"
    )
    nonce: str = Field(description="By which an admitted attempt can be undone")
    pass_id: Uuid | None = Field(default=None, description="Absent when the token is unknown")
    undone_at: UtcTime | None = Field(
        default=None, description="When the redemption was taken back, if it was"
    )
    admitted_offline_at: UtcTime | None = Field(
        default=None,
        description="When the door admitted the bearer by the pass's signature, with the cloud "
        "away. Any outcome but `admitted` then says that the door should not have done so: "
        "`already_redeemed` is a double use",
    )


class RedemptionPage(Wire):
    """Newest first."""

    items: list[RedemptionAttempt]
    next: str | None = Field(default=None, description="Give it as `before` to read on")
