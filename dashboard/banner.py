"""The banner: what the gate's last verdict means right now, for the person who stands there."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from cloud.client import Unread
from cloud.contract import (
    Access,
    EventRecord,
    Label,
    PassRecord,
    PassStatus,
    RefusalReason,
)
from dashboard.clock import LocalClock

LATE = timedelta(seconds=60)
"""A verdict that took longer than this to arrive is about somebody who has left: the gate was
offline. It is history, never the banner; its pass is not shown to whoever stands there now."""

LABELS = {
    Label.WITH_MASK: "Mask worn",
    Label.WITHOUT_MASK: "No mask",
    Label.INCORRECT_MASK: "Mask worn wrongly",
}


class Tone(StrEnum):
    """Which of its faces the banner shows."""

    WAITING = "waiting"
    REFUSED = "refused"
    GRANTED = "granted"
    ADMITTED = "admitted"
    OVER = "over"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Banner:
    """What is written, and which pass's QR code goes with it."""

    tone: Tone
    title: str
    message: str
    note: str = ""
    qr_of: UUID | None = None
    refusal: UUID | None = None
    """The event that was refused: what a beep is for, once."""


def banner_for(event: EventRecord | Unread | None, clock: LocalClock, shown: timedelta) -> Banner:
    """The banner for a gate's newest event.

    A refusal, and the end of a pass, stay for `shown`; a live pass stays until it is used, over,
    or replaced by the next verdict.
    """
    if event is None:
        return Banner(
            Tone.WAITING, "Waiting", "Please look at the camera.", "Nobody has been seen here yet."
        )
    if isinstance(event, Unread):
        return Banner(
            Tone.OVER,
            "Unknown verdict",
            "Please ask the staff.",
            f"This dashboard does not know {event.why}. Update the dashboard.",
        )
    note = _of_another_moment(event, clock)
    if note:
        return _waiting(note)
    if event.access is Access.REFUSED:
        return _refused(event, clock, shown)
    return _granted(event, event.pass_record, clock, shown)


def closed_banner(event: EventRecord | Unread | None, clock: LocalClock) -> Banner:
    """The banner of a gate that is closed, whatever its newest event was.

    A pass that is made meanwhile admits nobody, so its code is not shown, and nobody is sent back
    to the camera.
    """
    last = ""
    if isinstance(event, EventRecord):
        last = f"Last verdict: {event.access}, at {clock.at(event.occurred_at)}."
    return Banner(
        Tone.CLOSED, "Closed", "This entrance is closed just now. Please speak to the staff.", last
    )


def _of_another_moment(event: EventRecord, clock: LocalClock) -> str:
    """What is noted of a verdict that is not about whoever stands at the gate now, else nothing."""
    reason = event.refusal.reason if event.refusal is not None else ""
    came_at = clock.at(event.accepted_at)
    if reason == RefusalReason.CLOCK_AHEAD:
        return (
            f"The last verdict says that it was made at {clock.at(event.occurred_at)} and came at "
            f"{came_at}: the door's clock is ahead."
        )
    happened_at = event.happened_at or event.occurred_at
    if event.accepted_at - happened_at > LATE or reason == RefusalReason.TOO_LATE:
        return (
            f"The last verdict ({event.access}) was made at {clock.at(happened_at)} and came "
            f"at {came_at}: the gate was offline, or its clock is wrong."
        )
    return ""


def _refused(event: EventRecord, clock: LocalClock, shown: timedelta) -> Banner:
    if clock.now - event.accepted_at > shown:
        return _waiting(f"Last verdict: refused, at {clock.at(event.occurred_at)}.")
    refusal = event.refusal
    if refusal is not None and refusal.reason == RefusalReason.GATE_CLOSED:
        at = clock.at(event.occurred_at)
        return _waiting(f"Last verdict: no pass, since the gate was closed, at {at}.")
    message = refusal.message if refusal else "No pass this time."
    if refusal is not None and not isinstance(refusal.reason, RefusalReason):
        # A reason of a later version: whether it is about the person's mask is not known.
        return Banner(Tone.OVER, "No pass", message, _seen(event, clock))
    return Banner(Tone.REFUSED, "Refused", message, _seen(event, clock), refusal=event.id)


def _granted(
    event: EventRecord, its_pass: PassRecord | None, clock: LocalClock, shown: timedelta
) -> Banner:
    if its_pass is None:
        return Banner(
            Tone.OVER, "Granted, without a pass", "Please ask the staff.", _seen(event, clock)
        )
    status = its_pass.status
    if status is PassStatus.ISSUED and its_pass.expires_at <= clock.now:
        status = PassStatus.EXPIRED
    if status is PassStatus.ISSUED:
        return Banner(
            Tone.GRANTED,
            "Granted",
            "Scan this code at the door.",
            f"{_seen(event, clock)} · valid until {clock.at(its_pass.expires_at)}",
            qr_of=its_pass.id,
        )
    return _ended(event, its_pass, status, clock, shown)


def _ended(
    event: EventRecord,
    its_pass: PassRecord,
    status: PassStatus,
    clock: LocalClock,
    shown: timedelta,
) -> Banner:
    expiry = clock.at(its_pass.expires_at)
    if status is PassStatus.REDEEMED:
        used_at = its_pass.redeemed_at or event.accepted_at
        banner = Banner(
            Tone.ADMITTED, "Welcome in", "The pass has been used.", f"Used at {clock.at(used_at)}."
        )
        until, afterwards = used_at + shown, f"Last pass: used at {clock.at(used_at)}."
    elif status is PassStatus.EXPIRED:
        banner = Banner(
            Tone.OVER,
            "Pass expired",
            "Please look at the camera again.",
            f"It was valid until {expiry}.",
        )
        until, afterwards = its_pass.expires_at + shown, f"Last pass: expired at {expiry}, unused."
    else:  # the wire has no time of the revocation
        banner = Banner(Tone.OVER, "Pass revoked", "Please ask the staff.", _seen(event, clock))
        until, afterwards = its_pass.expires_at, "Last pass: revoked."
    return banner if clock.now <= until else _waiting(afterwards)


def _waiting(note: str) -> Banner:
    return Banner(Tone.WAITING, "Waiting", "Please look at the camera.", note)


def _seen(event: EventRecord, clock: LocalClock) -> str:
    return f"{LABELS[event.label]} · seen at {clock.at(event.occurred_at)}"
