"""Passes at the door: redeemed once, and made good again where the door did not open."""

from datetime import datetime
from typing import Final

from cloud import announcements
from cloud.contract import Delivery, Outcome, Redemption, Topic
from cloud.gatekeeping import CLOSED
from cloud.store import Attempt, PolicyContext, RedemptionResult, Store, StoredPass, UndoOutcome
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


def redeem(
    store: Store,
    *,
    scanned: str,
    nonce: str,
    gate: str,
    key_id: str,
    now: datetime,
    name: str = "",
    role: str = "",
) -> Redemption:
    """Settle one attempt to enter, and keep it.

    Args:
        store: the store.
        scanned: what a scanner read.
        nonce: the scanner's own, for this attempt.
        gate: where the scanner stands.
        key_id: whose attempt it is.
        now: the present.
        name: what people call them.
        role: what they may do.

    Raises:
        GateUnknown: there is no such gate, so nobody is admitted there.
    """
    token = token_or_text(scanned)
    while True:
        context = store.events.policy_context(gate)
        held = store.passes.of_token(token) if has_listeners(context) else None
        attempt = Attempt(
            token,
            gate,
            nonce,
            key_id,
            now,
            context.preconditions,
            name=name,
            role=role,
            deliveries=told_of_redemption(context, held, now),
        )
        settlement = store.passes.redeem(attempt)
        if settlement is not None:
            return redemption(settlement)


def undo(
    store: Store, held: StoredPass, *, key_id: str | None, nonce: str | None, now: datetime
) -> UndoOutcome:
    """Make a redeemed pass good again, once for each attempt that redeemed it, and tell of it.

    Args:
        store: the store.
        held: the pass.
        key_id: whose redemption may be undone; None for everybody's.
        nonce: of the attempt that is to be undone, as `Passes.undo` takes it.
        now: the present.
    """
    found: StoredPass | None = held
    while found is not None:
        context = store.events.policy_context(found.gate)
        undoing = store.passes.undo(
            found,
            key_id,
            now,
            nonce,
            preconditions=context.preconditions,
            deliveries=told_of_redemption(context, found, found.redeemed_at, undone_at=now),
        )
        if undoing is not UndoOutcome.STALE:
            return undoing
        found = store.passes.get(held.id)
    return UndoOutcome.NOT_REDEEMED


def has_listeners(context: PolicyContext) -> bool:
    """Whether anybody is told of redemptions at a gate: then the pass is looked up beforehand."""
    return any(Topic.REDEMPTION in subscriber.topics for subscriber in context.subscribers)


def told_of_redemption(
    context: PolicyContext,
    held: StoredPass | None,
    redeemed_at: datetime | None,
    undone_at: datetime | None = None,
) -> list[Delivery]:
    """Return what is told should this pass be redeemed at the gate, or its redemption be undone.

    They are written by the script that does so, if it does.
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


def redemption(settled: RedemptionResult) -> Redemption:
    """Return what the person at the door is told."""
    return Redemption(
        outcome=settled.outcome,
        message=MESSAGES[settled.outcome],
        at=settled.at,
        pass_id=settled.pass_id,
        redeemed_at=settled.redeemed_at,
        redeemed_gate=settled.redeemed_gate,
    )
