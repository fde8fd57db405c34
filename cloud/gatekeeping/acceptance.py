"""Accepting an event: the decision is made, and kept with everything that follows from it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from cloud import audience
from cloud.contract import Decision, Event
from cloud.errors import EventConflict, GateUnknown
from cloud.gatekeeping.decision import decide, lifetime_at
from cloud.gatekeeping.optimistic import GateStore, decided
from cloud.occurrence import Occurrence
from cloud.store import Acceptance, PolicyContext, Receipt, WriteOutcome

VISITOR_WAIT: Final = timedelta(minutes=10)
"""How long a visitor waits for a pass where the settings do not say."""


@dataclass(frozen=True, slots=True)
class PassRules:
    """What the settings say about passes.

    Attributes:
        lifetime: How long a pass is good at a gate without a lifetime of its own.
        visitor_wait: How long a visitor waits for a pass.
        zone: The zone in which people are told times at a gate without a zone of its own.
    """

    lifetime: timedelta
    visitor_wait: timedelta = VISITOR_WAIT
    zone: tzinfo = UTC


@dataclass(frozen=True, slots=True)
class PostedEvent:
    """An event, and who sent it.

    Attributes:
        event: The event.
        gate: The gate of the device that sent it.
        device_id: The device.
        sent_at: When the device sent it, by the clock that `occurred_at` is by; None where that is
            not known.
    """

    event: Event
    gate: str
    device_id: str
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A decision on an event, and whether it was given before."""

    event: Event
    decision: Decision
    repeated: bool


async def accept(
    store: GateStore,
    verify: Callable[[PolicyContext], PostedEvent],
    *,
    key_id: str = "",
    gate: str | None = None,
    rules: PassRules,
    now: datetime,
) -> Answer:
    """Decide on an event and keep it with everything that follows; a repetition changes nothing.

    Args:
        store: The store.
        verify: Returns the event once the key of the context is verified; it may refuse the
            request.
        key_id: The id of the key that the event was sent with.
        gate: The gate; None for the key's own.
        rules: What the settings say about passes.
        now: When the event reached the cloud.

    Returns:
        The decision; the first one where the same event comes again.

    Raises:
        EventConflict: The id belongs to another event, or to another device's.
        GateUnknown: There is no such gate.
    """

    async def attempt(context: PolicyContext) -> Answer | None:
        posted = verify(context)
        offered = offer(posted, context, rules, now)
        written = await store.add(offered)
        if isinstance(written, Receipt):
            return Answer(posted.event, _repeated(written, posted), repeated=True)
        if written is WriteOutcome.WRITTEN:
            return Answer(posted.event, offered.decision, repeated=False)
        return None

    return await decided(store, key_id, gate, attempt)


def offer(
    posted: PostedEvent, context: PolicyContext, rules: PassRules, now: datetime
) -> Acceptance:
    """Decide on an event, and return what is to be written.

    Args:
        posted: The event and its sender.
        context: The policy context of the gate.
        rules: What the settings say about passes.
        now: When the event reached the cloud.

    Returns:
        The decision with its deliveries, its visitor and its preconditions.

    Raises:
        GateUnknown: There is no such gate.
    """
    if context.gate is None:
        raise GateUnknown(f"there is no gate {posted.gate}")
    event = posted.event
    occurrence = Occurrence.of(event.occurred_at, posted.sent_at, now)
    decision = decide(
        event,
        posted.gate,
        lifetime_at(context.gate, rules.lifetime),
        now,
        occurrence=occurrence,
        closed=context.gate.closed,
    )
    told = audience.of(
        context,
        context.gate,
        event,
        decision,
        occurrence=occurrence,
        visitor_wait=rules.visitor_wait,
        zone=rules.zone,
    )
    return Acceptance(
        event,
        posted.device_id,
        decision,
        told.deliveries,
        context.preconditions,
        told.visitor,
        happened_at=occurrence.at,
    )


def _repeated(receipt: Receipt, posted: PostedEvent) -> Decision:
    if receipt.device_id != posted.device_id or receipt.event != posted.event:
        raise EventConflict(
            f"event {posted.event.id} was accepted before with other contents; "
            "give a new event a new id"
        )
    return receipt.decision
