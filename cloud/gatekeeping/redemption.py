"""Redeeming a pass at the door, and undoing a redemption after which nobody walked in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cloud import announcements
from cloud.contract import Delivery, Outcome, Redemption, Topic
from cloud.errors import GateUnknown
from cloud.gatekeeping.decision import CLOSED
from cloud.gatekeeping.optimistic import GateStore, decided
from cloud.store import (
    Attempt,
    PolicyContext,
    RedemptionResult,
    Store,
    StoredPass,
    UndoOutcome,
)
from cloud.tokens import token_or_text

MESSAGES: Final = {
    Outcome.ADMITTED: "Welcome. Please walk in.",
    Outcome.UNKNOWN: "This code is not known here. Please look at the camera to get a pass.",
    Outcome.EXPIRED: "This pass has expired. Please look at the camera to get a new one.",
    Outcome.ALREADY_REDEEMED: "This pass has been used already. Each pass lets one person in once.",
    Outcome.REVOKED: "This pass was taken back. Please speak to the staff.",
    Outcome.WRONG_GATE: "This pass is for another entrance.",
    Outcome.GATE_CLOSED: CLOSED,
    Outcome.UNDONE: "This attempt was undone. Please show the code again.",
}


@dataclass(frozen=True, slots=True)
class Scan:
    """A scanned code, and who scanned it where.

    Attributes:
        scanned: The text that the scanner read.
        nonce: A number that the scanner chose for this attempt.
        gate: The gate where the scanner stands.
        key_id: The id of the key, account or chat that scanned.
        name: The name of that key, account or chat.
        role: Its role.
        admitted_at: When the door admitted the bearer while the cloud was away; None for an attempt
            that is decided now.
    """

    scanned: str = field(repr=False)
    nonce: str
    gate: str
    key_id: str
    name: str = ""
    role: str = ""
    admitted_at: datetime | None = None


async def redeem(
    store: GateStore,
    verify: Callable[[PolicyContext], Scan],
    *,
    key_id: str,
    gate: str | None = None,
    now: datetime,
) -> Redemption:
    """Redeem a pass, and keep the attempt whatever its outcome.

    Args:
        store: The store.
        verify: Returns the scan once the key of the context is verified; it may refuse the
            request.
        key_id: The id of the key, account or chat that scanned.
        gate: The gate whose context is read first; None for the key's own.
        now: The time of the attempt.

    Returns:
        The outcome of the attempt.

    Raises:
        GateUnknown: There is no such gate, so nobody is admitted there.
    """

    async def attempt(context: PolicyContext) -> Redemption | None:
        scan = verify(context)
        if context.gate is None or context.gate.id != scan.gate:
            context = await store.read_context(key_id, scan.gate)
        if context.gate is None:
            raise GateUnknown(f"there is no gate {scan.gate}")
        token = token_or_text(scan.scanned)
        # The messages name the pass, so it is looked up first where somebody gets messages.
        held = await store.of_token(token) if _has_listeners(context) else None
        result = await store.redeem(
            Attempt(
                token,
                scan.gate,
                scan.nonce,
                scan.key_id,
                now,
                context.preconditions,
                name=scan.name,
                role=scan.role,
                deliveries=_messages_about(context, held, scan.admitted_at or now),
                admitted_at=scan.admitted_at,
            )
        )
        return _redemption(result) if result is not None else None

    return await decided(store, key_id, gate, attempt)


def undo(
    store: Store, held: StoredPass, *, key_id: str | None, nonce: str | None, now: datetime
) -> UndoOutcome:
    """Make a redeemed pass good again, once for each attempt that redeemed it.

    Args:
        store: The store.
        held: The pass.
        key_id: The scanner whose redemption may be undone; None for everybody's.
        nonce: The nonce of the attempt that is to be undone, as `Passes.undo` takes it.
        now: The present.

    Returns:
        Whether the redemption was undone, or why not.
    """
    found: StoredPass | None = held
    while found is not None:
        context = store.events.policy_context(found.gate)
        outcome = store.passes.undo(
            found,
            key_id,
            now,
            nonce,
            preconditions=context.preconditions,
            deliveries=_messages_about(context, found, found.redeemed_at, undone_at=now),
        )
        if outcome is not UndoOutcome.STALE:
            return outcome
        found = store.passes.get(held.id)
    return UndoOutcome.NOT_REDEEMED


def _has_listeners(context: PolicyContext) -> bool:
    """Return whether any subscriber of the gate gets messages about redemptions."""
    return any(Topic.REDEMPTION in subscriber.topics for subscriber in context.subscribers)


def _messages_about(
    context: PolicyContext,
    held: StoredPass | None,
    redeemed_at: datetime | None,
    undone_at: datetime | None = None,
) -> list[Delivery]:
    """Return the messages about a redemption, or about its undoing.

    The script that redeems or undoes writes them, and only if it does.
    """
    gate = context.gate
    if gate is None or held is None or held.gate != gate.id or redeemed_at is None:
        return []
    return announcements.of_redemption(
        gate,
        context.subscribers,
        pass_id=held.id,
        event_id=held.event_id,
        redeemed_at=redeemed_at,
        undone_at=undone_at,
    )


def _redemption(result: RedemptionResult) -> Redemption:
    """Return the answer for the person at the door."""
    return Redemption(
        outcome=result.outcome,
        message=MESSAGES[result.outcome],
        at=result.at,
        pass_id=result.pass_id,
        redeemed_at=result.redeemed_at,
        redeemed_gate=result.redeemed_gate,
    )
