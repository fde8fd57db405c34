"""The banner: what the gate's last verdict means now for the person who stands at the gate."""

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
from dashboard.wording.clock import LocalClock

LATE = timedelta(seconds=60)
"""A verdict that took longer to arrive is about somebody who has left: the gate was offline. The
banner never shows it, nor its pass, to the person who stands at the gate now."""

LABELS = {
    Label.WITH_MASK: "Mask worn",
    Label.WITHOUT_MASK: "No mask",
    Label.INCORRECT_MASK: "Mask worn wrongly",
}


class Tone(StrEnum):
    """The state that the banner shows, by which the style sheet chooses its colour and sign."""

    WAITING = "waiting"
    REFUSED = "refused"
    GRANTED = "granted"
    ADMITTED = "admitted"
    OVER = "over"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Banner:
    """The text of the banner, and the pass whose QR code is beside the text.

    Args:
        tone: The state of the banner.
        title: The largest words.
        message: The sentence to the person at the gate.
        note: A smaller line, for the staff.
        qr_of: The pass whose QR code is shown; None where no code is shown.
        refusal: The refused event for which the page beeps once; None where nobody is refused.
    """

    tone: Tone
    title: str
    message: str
    note: str = ""
    qr_of: UUID | None = None
    refusal: UUID | None = None


def banner_for(event: EventRecord | Unread | None, clock: LocalClock, shown: timedelta) -> Banner:
    """Return the banner of a gate that is open.

    Args:
        event: The newest event of the gate; None where there is none.
        clock: The clock of the viewer.
        shown: How long a refusal, or the end of a pass, stays on the banner. A valid pass stays
            until it is used or expires, or the next verdict comes.

    Returns:
        The banner.
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
    """Return the banner of a gate that is closed.

    A pass of a closed gate admits nobody, so the banner shows no code.

    Args:
        event: The newest event of the gate; None where there is none.
        clock: The clock of the viewer.

    Returns:
        The banner.
    """
    last = ""
    if isinstance(event, EventRecord):
        last = f"Last verdict: {event.access}, at {clock.at(event.occurred_at)}."
    return Banner(
        Tone.CLOSED, "Closed", "This entrance is closed now. Please speak to the staff.", last
    )


def _of_another_moment(event: EventRecord, clock: LocalClock) -> str:
    """Return a note on a verdict about somebody who has left; nothing for another verdict."""
    reason = event.refusal.reason if event.refusal is not None else ""
    came_at = clock.at(event.accepted_at)
    if reason == RefusalReason.CLOCK_AHEAD:
        return (
            f"The last verdict is dated {clock.at(event.occurred_at)} and came at {came_at}: "
            "the door's clock is ahead."
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
        # This version does not know the reason, so it cannot say that it is the mask.
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
    else:  # the API does not give the time of the revocation
        banner = Banner(Tone.OVER, "Pass revoked", "Please ask the staff.", _seen(event, clock))
        until, afterwards = its_pass.expires_at, "Last pass: revoked."
    return banner if clock.now <= until else _waiting(afterwards)


def _waiting(note: str) -> Banner:
    return Banner(Tone.WAITING, "Waiting", "Please look at the camera.", note)


def _seen(event: EventRecord, clock: LocalClock) -> str:
    return f"{LABELS[event.label]} · seen at {clock.at(event.occurred_at)}"
