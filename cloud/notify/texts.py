"""The texts of messages, from the templates beside this file. No text holds a token."""

from datetime import UTC, datetime, tzinfo

from cloud.contract import (
    Access,
    Channel,
    Decision,
    Device,
    Event,
    Gate,
    IssuedPass,
    Label,
    Language,
    RefusalReason,
    Topic,
    WebhookEvent,
)
from cloud.notify.channels import CHANNELS, Body
from cloud.notify.rendering import rendered, sentence
from cloud.notify.times import in_full, in_minutes, in_short
from cloud.notify.wording import label_words
from cloud.occurrence import Occurrence

_NOTHING_TO_DO = frozenset(
    {
        (RefusalReason.TOO_LATE, Label.WITH_MASK),
        (RefusalReason.GATE_CLOSED, Label.WITH_MASK),
    }
)
"""Refusals that call for no action: only webhooks are told of them."""


def topic_of(decision: Decision) -> Topic:
    """Return the topic of a decision."""
    return Topic.PASS if decision.access is Access.GRANTED else Topic.REFUSAL


def text_of(
    channel: Channel,
    gate: Gate,
    event: Event,
    decision: Decision,
    language: Language = Language.EN,
    *,
    occurrence: Occurrence | None = None,
    zone: tzinfo = UTC,
) -> str | None:
    """Return the message about a decision to subscribers on a channel.

    Args:
        channel: The channel.
        gate: The gate.
        event: The event.
        decision: The decision on the event.
        language: The language of the message.
        occurrence: When the event occurred; by default, when the device says.
        zone: The time zone in which times are told.

    Returns:
        The text, or the JSON of a webhook; None where the channel is not told. Mail brings no pass,
        and people are not told of a person with a mask whose event came too late.
    """
    occurred = occurrence or Occurrence.of(event.occurred_at, None, decision.decided_at)
    if CHANNELS[channel].body is Body.JSON:
        return WebhookEvent.of(
            gate, event, decision, happened_at=occurred.at, delivered_late=occurred.late
        ).model_dump_json()
    name = CHANNELS[channel].templates.get(decision.access)
    if name is None or (_reason(decision), event.label) in _NOTHING_TO_DO:
        return None
    return _of_decision(name, language, gate, event, decision, occurrence=occurred, zone=zone)


def visitor_text(
    gate: Gate,
    event: Event,
    decision: Decision,
    language: Language,
    *,
    occurrence: Occurrence | None = None,
    zone: tzinfo = UTC,
) -> str:
    """Return the message about a decision to the visitor who stands at the gate."""
    if decision.access is Access.GRANTED:
        name = "pass.telegram.txt"
    else:
        name = "visitor.closed.txt" if gate.closed else "visitor.refusal.txt"
    occurred = occurrence or Occurrence.of(event.occurred_at, None, decision.decided_at)
    return _of_decision(name, language, gate, event, decision, occurrence=occurred, zone=zone)


def closed_text(gate: Gate, language: Language, now: datetime, zone: tzinfo = UTC) -> str:
    """Return the sentence that a gate is closed; it says since when and why, if that is known."""
    since = in_short(gate.closed_at, zone, now) if gate.closed_at is not None else ""
    return rendered("closed.txt", language, gate=gate, since=since)


def gate_text(
    gate: Gate, language: Language, now: datetime, *, before: int, zone: tzinfo = UTC
) -> str:
    """Return the message to a visitor about a gate that was closed or opened.

    Args:
        gate: The gate as it is now.
        language: The visitor's language.
        now: The current time.
        before: How many visitors are before this one in the line.
        zone: The time zone in which times are told.

    Returns:
        The text.
    """
    if gate.closed:
        closed = closed_text(gate, language, now, zone)
        return rendered("visitor.closed.txt", language, closed=closed)
    return rendered("visitor.opened.txt", language, gate=gate, before=before)


def held_code_text(
    gate: Gate, until: datetime, language: Language, now: datetime, zone: tzinfo = UTC
) -> str:
    """Return the message that comes instead of a QR code while the gate is closed."""
    closed = closed_text(gate, language, now, zone)
    return rendered("code.held.txt", language, closed=closed, until=in_short(until, zone, now))


def manual_pass_text(
    gate: Gate, issued: IssuedPass, language: Language, now: datetime, zone: tzinfo = UTC
) -> str:
    """Return the caption below the QR code of a pass that was made by hand."""
    until = in_short(issued.expires_at, zone, now)
    return rendered("pass.manual.txt", language, gate=gate, until=until)


def outage_text(
    device: Device,
    gate: Gate,
    since: datetime,
    at: datetime,
    language: Language,
    *,
    over: bool,
    zone: tzinfo = UTC,
) -> str:
    """Return the message about a device that has fallen silent, or is back.

    Args:
        device: The device.
        gate: The device's gate.
        since: When the device was last heard before its silence.
        at: The current time.
        language: The language of the message.
        over: Whether the device is back.
        zone: The time zone in which times are told.

    Returns:
        The text.
    """
    name = "outage.ended.txt" if over else "outage.begun.txt"
    times = {"since": in_full(since, zone), "at": in_short(at, zone, since)}
    return rendered(name, language, device=device, gate=gate, **times)


def test_text(gate: Gate, language: Language) -> str:
    """Return the test message to a chat or a mailbox."""
    return rendered("test.txt", language, gate=gate)


def bot_text(
    name: str,
    language: Language = Language.EN,
    *,
    zone: tzinfo = UTC,
    now: datetime | None = None,
    **values: object,
) -> str:
    """Return one of the bot's sentences.

    Args:
        name: The name of the sentence in bot.toml.
        language: The language of the sentence.
        zone: The time zone in which times are told.
        now: The current time. Other times are told with their date where that is not today's, or
            where `now` is None.
        values: What the sentence is filled with; times among them are put into words.

    Returns:
        The sentence.
    """
    said = {
        each: in_minutes(value, zone, now) if isinstance(value, datetime) else value
        for each, value in values.items()
    }
    return sentence(name, language, **said)


def _reason(decision: Decision) -> str | None:
    return decision.refusal.reason if decision.refusal is not None else None


def _of_decision(
    name: str,
    language: Language,
    gate: Gate,
    event: Event,
    decision: Decision,
    *,
    occurrence: Occurrence,
    zone: tzinfo,
) -> str:
    told_at, late = decision.decided_at, occurrence.late
    at = occurrence.at or event.occurred_at
    values: dict[str, object] = {"gate": gate, "late": late, "at": ""}
    # Only values that the text needs are put into words: the door waits for this.
    if decision.issued_pass is not None:
        values["until"] = in_short(decision.issued_pass.expires_at, zone, told_at)
        if late:
            values["at"] = in_short(at, zone, told_at)
        return rendered(name, language, **values)
    return rendered(
        name,
        language,
        **values
        | {
            "event": event,
            "decision": decision,
            "reason": _reason(decision),
            "what": label_words(event.label, language),
            "at": in_short(at, zone, told_at),
            "at_in_full": in_full(at, zone),
            "told_at": in_short(told_at, zone, told_at) if late else "",
            "told_at_in_full": in_full(told_at, zone) if late else "",
            "closed": closed_text(gate, language, told_at, zone) if gate.closed else "",
        },
    )
