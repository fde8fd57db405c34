"""The rows of the two tables: the words for an event and for a delivery."""

from collections import Counter
from collections.abc import Mapping, Sequence

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from cloud.client import Unread
from cloud.contract import (
    Access,
    Channel,
    Delivery,
    DeliveryStatus,
    EventRecord,
    PassRecord,
    PassStatus,
    Refusal,
    RefusalReason,
)
from dashboard.history import PAGES_IN_ALL
from dashboard.wording.banner import LABELS, LATE
from dashboard.wording.clock import LocalClock

ANSWERS = {Access.GRANTED: "Granted", Access.REFUSED: "Refused"}

CHANNELS = {
    Channel.TELEGRAM: "Telegram chat",
    Channel.EMAIL: "E-mail",
    Channel.WEBHOOK: "Webhook",
}

STATES = {
    DeliveryStatus.PENDING: "Waiting to be sent",
    DeliveryStatus.SENT: "Sent",
    DeliveryStatus.FAILED: "Failed",
    DeliveryStatus.UNDELIVERED_BY_CHOICE: "Not sent, by choice",
}

REASONS = {
    RefusalReason.NO_MASK: "",
    RefusalReason.MASK_WORN_WRONGLY: "",
    RefusalReason.TOO_LATE: "it came too late",
    RefusalReason.CLOCK_AHEAD: "the door's clock is ahead",
    RefusalReason.GATE_CLOSED: "the gate was closed",
}
"""Why there is no pass; nothing where the verdict says it already."""

NOT_SHOWN = "This dashboard cannot show this row: it does not know {why}. Update the dashboard."

NO_MESSAGES = "No messages yet at this gate. Its subscribers get one for each event."

_MOMENT = TypeAdapter(AwareDatetime)


def event_row(event: EventRecord | Unread, clock: LocalClock) -> dict[str, str]:
    """Return the values of one event for templates/events.html."""
    if isinstance(event, Unread):
        return _unread_row(event, "occurred_at", clock)
    much_later = abs(event.accepted_at - event.occurred_at) > LATE
    return {
        "unread": "",
        "id": str(event.id),
        "iso": event.occurred_at.isoformat(),
        "at": clock.at(event.occurred_at),
        "utc": clock.utc(event.occurred_at),
        "accepted": clock.at(event.accepted_at) if much_later else "",
        "gate": event.gate,
        "verdict": LABELS[event.label],
        "sure": f"{event.confidence:.0%} sure, {event.votes} looks",
        "access": event.access.value,
        "answer": ANSWERS[event.access],
        "why": _why(event.refusal),
        "pass_words": pass_words(event.pass_record, clock),
    }


def pass_words(its_pass: PassRecord | None, clock: LocalClock) -> str:
    """Return the state of a pass in words."""
    if its_pass is None:
        return "–"
    if its_pass.status is PassStatus.REDEEMED:
        return f"Used {clock.at(its_pass.redeemed_at)}" if its_pass.redeemed_at else "Used"
    if its_pass.status is PassStatus.REVOKED:
        return "Revoked"
    if its_pass.status is PassStatus.EXPIRED or its_pass.expires_at <= clock.now:
        return f"Expired {clock.at(its_pass.expires_at)}, unused"
    return f"Valid until {clock.at(its_pass.expires_at)}"


def delivery_row(delivery: Delivery | Unread, clock: LocalClock) -> Mapping[str, str | bool]:
    """Return the values of one delivery for templates/deliveries.html."""
    if isinstance(delivery, Unread):
        return _unread_row(delivery, "created_at", clock)
    return {
        "unread": "",
        "iso": delivery.created_at.isoformat(),
        "at": clock.at(delivery.created_at),
        "utc": clock.utc(delivery.created_at),
        "gate": delivery.gate,
        "channel": CHANNELS[delivery.channel],
        "address": delivery.address,
        "text": delivery.text,
        "with_qr": delivery.with_qr,
        "status": delivery.status.value,
        "state": STATES[delivery.status],
        "detail": delivery.detail,
    }


def _why(refusal: Refusal | None) -> str:
    if refusal is None:
        return ""
    if isinstance(refusal.reason, RefusalReason):
        return REASONS[refusal.reason]
    return refusal.reason.replace("_", " ")  # a newer cloud sends reasons that are not known here


def _unread_row(row: Unread, moment: str, clock: LocalClock) -> dict[str, str]:
    """Return a row that says why it cannot be shown; with its time where that can be read."""
    try:
        at = _MOMENT.validate_strings(row.text(moment))
    except ValidationError:
        at = None
    return {
        "unread": NOT_SHOWN.format(why=row.why),
        "id": row.text("id"),
        "iso": at.isoformat() if at else "",
        "at": clock.at(at) if at else "–",
        "utc": clock.utc(at) if at else "–",
        "gate": row.text("gate") or "–",
        "accepted": "",
        "status": "unread",
    }


def how_many(count: int, noun: str, more: bool, clock: LocalClock) -> str:
    """Return the line below a table: whether there are older rows, and the zone of its times."""
    shown = noun if count == 1 else f"{noun}s"
    extent = f"The newest {count} {shown}; there are older ones." if more else f"{count} {shown}."
    return f"{extent} Times are in {clock.name}."


def how_far(count: int, noun: str, pages: int, *, stopped: bool) -> str:
    """Return the line below a table whose search has not read the oldest entries yet."""
    so_far = f"{count} {noun} found" if count == 1 else f"{count or 'no'} {noun}s found"
    if stopped:
        return (
            f"The search stopped before the oldest entries: {so_far} in {pages} pages. "
            "Press 'Search on', or choose a later period or fewer filters."
        )
    return f"Searching older entries: {so_far}, page {pages} of at most {PAGES_IN_ALL} …"


def remarks_on(deliveries: Sequence[Delivery | Unread]) -> list[tuple[str, str]]:
    """Return the remarks above the table: a kind (bad or choice), and a sentence with its mend."""
    counts = Counter(delivery.status for delivery in deliveries if not isinstance(delivery, Unread))
    remarks = []
    if failed := counts[DeliveryStatus.FAILED]:
        remarks.append(
            ("bad", f"{_messages(failed)} not sent because of a fault: the table has the reason.")
        )
    if kept := counts[DeliveryStatus.UNDELIVERED_BY_CHOICE]:
        remarks.append(
            (
                "choice",
                f"{_messages(kept)} not sent, by choice: the cloud has no way to send them. "
                "The table shows what would have gone to whom. To send, set CLOUD_TELEGRAM_TOKEN, "
                "or CLOUD_SMTP_HOST for e-mail, where the cloud runs.",
            )
        )
    return remarks


def _messages(count: int) -> str:
    return "1 message was" if count == 1 else f"{count} messages were"
