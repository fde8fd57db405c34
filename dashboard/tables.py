"""Events and deliveries as rows of words."""

from collections import Counter
from collections.abc import Sequence

from cloud.contract import (
    Access,
    Channel,
    Delivery,
    DeliveryStatus,
    EventRecord,
    PassRecord,
    PassStatus,
)
from dashboard.banner import LABELS
from dashboard.clock import LocalClock

ANSWERS = {Access.GRANTED: "Granted", Access.REFUSED: "Refused"}

CHANNELS = {Channel.TELEGRAM: "Telegram chat", Channel.EMAIL: "E-mail"}

STATES = {
    DeliveryStatus.PENDING: "Waiting to be sent",
    DeliveryStatus.SENT: "Sent",
    DeliveryStatus.FAILED: "Failed",
    DeliveryStatus.UNDELIVERED_BY_CHOICE: "Not sent, by choice",
}

SEARCH_ENDED = "None of the newest ones matches, and the search ended before the oldest."

NO_MESSAGES = "No messages yet at this gate. They go to its subscribers, for each event."


def event_row(event: EventRecord, clock: LocalClock) -> dict[str, str]:
    """What templates/events.html shows of one event."""
    return {
        "id": str(event.id),
        "iso": event.occurred_at.isoformat(),
        "at": clock.at(event.occurred_at),
        "utc": clock.utc(event.occurred_at),
        "gate": event.gate,
        "verdict": LABELS[event.label],
        "sure": f"{event.confidence:.0%} sure, {event.votes} looks",
        "access": event.access.value,
        "answer": ANSWERS[event.access],
        "pass_words": pass_words(event.pass_record, clock),
    }


def pass_words(its_pass: PassRecord | None, clock: LocalClock) -> str:
    """The state of a pass, as a table has it."""
    if its_pass is None:
        return "–"
    if its_pass.status is PassStatus.REDEEMED:
        return f"Used {clock.at(its_pass.redeemed_at)}" if its_pass.redeemed_at else "Used"
    if its_pass.status is PassStatus.REVOKED:
        return "Revoked"
    if its_pass.status is PassStatus.EXPIRED or its_pass.expires_at <= clock.now:
        return f"Expired {clock.at(its_pass.expires_at)}, unused"
    return f"Valid until {clock.at(its_pass.expires_at)}"


def delivery_row(delivery: Delivery, clock: LocalClock) -> dict[str, str | bool]:
    """What templates/deliveries.html shows of one delivery."""
    return {
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


def how_many(count: int, noun: str, more: bool, clock: LocalClock) -> str:
    """What is said below a table: whether there is more, and whose times these are."""
    shown = noun if count == 1 else f"{noun}s"
    extent = f"The newest {count} {shown}; there are older ones." if more else f"{count} {shown}."
    return f"{extent} Times are in {clock.name}."


def remarks_on(deliveries: Sequence[Delivery]) -> list[tuple[str, str]]:
    """What must be said above the table: a kind (bad or choice) and a sentence with its mend."""
    counts = Counter(delivery.status for delivery in deliveries)
    remarks = []
    if failed := counts[DeliveryStatus.FAILED]:
        remarks.append(
            ("bad", f"{_messages(failed)} not sent, for a fault: the table has the reason.")
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
