"""The texts of messages, from the templates beside this file. No text holds a token."""

import functools
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import jinja2

from cloud.contract import (
    Access,
    Channel,
    Decision,
    Device,
    Event,
    EventRecord,
    Gate,
    IssuedPass,
    Label,
    Language,
    RefusalReason,
    Topic,
    WebhookEvent,
)
from cloud.notify.channels import CHANNELS, Body
from cloud.notify.times import in_full, in_minutes, in_short
from cloud.occurrence import Occurrence

_FOLDER = Path(__file__).parent / "templates"

TEXTS = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER),
    auto_reload=False,  # else each text looks at its file again
    undefined=jinja2.StrictUndefined,
    autoescape=False,  # noqa: S701 (plain text: nothing here is HTML)
    trim_blocks=True,
    lstrip_blocks=True,
)

_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER),
    auto_reload=False,  # else each text looks at its file again
    undefined=jinja2.StrictUndefined,
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
)


_NOTHING_TO_DO = frozenset(
    {
        (RefusalReason.TOO_LATE, Label.WITH_MASK),
        (RefusalReason.GATE_CLOSED, Label.WITH_MASK),
    }
)
"""Refusals that call for no action: only webhooks are told of them."""

_WORDS: dict[Language, dict[str, str | tuple[str, ...]]] = {
    Language.EN: {
        "without": "without a mask",
        "wrongly": "mask worn wrongly",
        "with_mask": "with a mask",
        "without_mask": "no mask",
        "incorrect_mask": "mask worn wrongly",
        "heads": ("when", "what", "confidence"),
        "gate": "Gate",
        "when": "When",
        "arrived": "Arrived",
        "what": "What",
        "confidence": "Confidence",
        "note": "Note",
        "event": "Event",
        "late": "delivered late",
        "too_late": "The person has probably left: it came too late for a pass.",
        "clock_ahead": "The door's clock is ahead, so nobody can tell when this was, and no pass "
        "was made. The time above is the door's. Set its clock.",
        "looks": "from {} looks",
        "more": "The last 50 are listed. The dashboard has them all.",
        "why": "You get this mail because this address is subscribed to {}.",
    },
    Language.ES: {
        "without": "sin mascarilla",
        "wrongly": "mascarilla mal puesta",
        "with_mask": "con mascarilla",
        "without_mask": "sin mascarilla",
        "incorrect_mask": "mascarilla mal puesta",
        "heads": ("cuándo", "qué", "confianza"),
        "gate": "Puerta",
        "when": "Cuándo",
        "arrived": "Llegó",
        "what": "Qué",
        "confidence": "Confianza",
        "note": "Nota",
        "event": "Evento",
        "late": "entregado con retraso",
        "too_late": "La persona probablemente se ha ido: llegó tarde para un pase.",
        "clock_ahead": "El reloj de la puerta va adelantado, así que nadie puede saber cuándo fue, "
        "y no se hizo ningún pase. La hora de arriba es la de la puerta. Pon su reloj en hora.",
        "looks": "en {} miradas",
        "more": "Se muestran los últimos 50. El panel los tiene todos.",
        "why": "Recibes este correo porque esta dirección está suscrita a {}.",
    },
}


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
    return _rendered("closed.txt", language, gate=gate, since=since)


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
        return _rendered("visitor.closed.txt", language, closed=closed)
    return _rendered("visitor.opened.txt", language, gate=gate, before=before)


def held_code_text(
    gate: Gate, until: datetime, language: Language, now: datetime, zone: tzinfo = UTC
) -> str:
    """Return the message that comes instead of a QR code while the gate is closed."""
    closed = closed_text(gate, language, now, zone)
    return _rendered("code.held.txt", language, closed=closed, until=in_short(until, zone, now))


def manual_pass_text(
    gate: Gate, issued: IssuedPass, language: Language, now: datetime, zone: tzinfo = UTC
) -> str:
    """Return the caption below the QR code of a pass that was made by hand."""
    until = in_short(issued.expires_at, zone, now)
    return _rendered("pass.manual.txt", language, gate=gate, until=until)


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
    return _rendered(name, language, device=device, gate=gate, **times)


def test_text(gate: Gate, language: Language) -> str:
    """Return the test message to a chat or a mailbox."""
    return _rendered("test.txt", language, gate=gate)


def digest_text(
    gate: str, events: Sequence[EventRecord], language: Language, zone: tzinfo = UTC
) -> str:
    """Return one mail about several refusals.

    Args:
        gate: The gate's name.
        events: The refused events; at least one.
        language: The language of the mail.
        zone: The time zone in which times are told.

    Returns:
        The text, with the subject in its first line.
    """
    moments = [_happened(event) for event in events]
    return _rendered(
        "digest.email.txt",
        language,
        gate=gate,
        rows=_rows(events, language, zone),
        since=in_full(min(moments), zone),
        until=in_full(max(moments), zone),
        **_counts(events),
    )


def mail_page(
    subject: str,
    gate: str,
    events: Sequence[EventRecord],
    language: Language,
    zone: tzinfo = UTC,
) -> str:
    """Return a mail as HTML: one event is a list of facts, several are a table.

    Args:
        subject: The mail's subject.
        gate: The gate's name.
        events: The events; at least one.
        language: The language of the mail.
        zone: The time zone in which times are told.

    Returns:
        The page.
    """
    words = _WORDS[language]
    return _PAGES.get_template("mail.html").render(
        language=language.value,
        subject=subject,
        rows=_rows(events, language, zone),
        facts=_facts(gate, events[0], language, zone),
        words={**words, "why": str(words["why"]).format(gate)},
        **_counts(events),
    )


def label_words(label: Label, language: Language) -> str:
    """Return the words for a label."""
    return str(_WORDS[language][label.value])


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
    return _sentence(name, language).render(**said).strip()


@functools.cache
def _sentence(name: str, language: Language) -> jinja2.Template:
    catalogue = tomllib.loads((_FOLDER / language.value / "bot.toml").read_text("utf-8"))
    return TEXTS.from_string(catalogue[name])


def _counts(events: Sequence[EventRecord]) -> dict[str, int]:
    return {
        "without": sum(event.label is Label.WITHOUT_MASK for event in events),
        "wrongly": sum(event.label is Label.INCORRECT_MASK for event in events),
        "masked": sum(event.label is Label.WITH_MASK for event in events),
        "late": sum(_late(event) for event in events),
    }


def _happened(event: EventRecord) -> datetime:
    return event.happened_at or event.occurred_at


def _late(event: EventRecord) -> bool:
    return Occurrence(_happened(event), event.accepted_at).late


def _rows(
    events: Sequence[EventRecord], language: Language, zone: tzinfo
) -> list[tuple[str, str, str, str, str]]:
    """Return a row for each event: time, label, confidence, id, and a note or nothing."""
    return [
        (
            in_full(_happened(event), zone),
            label_words(event.label, language),
            f"{event.confidence * 100:.0f} %",
            str(event.id),
            str(_WORDS[language]["late"]) if _late(event) else "",
        )
        for event in events
    ]


def _facts(
    gate: str, event: EventRecord, language: Language, zone: tzinfo
) -> list[tuple[str, str]]:
    words = _WORDS[language]
    facts = {"gate": gate, "when": in_full(_happened(event), zone)}
    if _late(event):
        facts["arrived"] = f"{in_full(event.accepted_at, zone)}, {words['late']}"
    looks = str(words["looks"]).format(event.votes)
    facts["what"] = label_words(event.label, language)
    facts["confidence"] = f"{event.confidence * 100:.0f} %, {looks}"
    if event.refusal is not None and event.refusal.reason in words:
        facts["note"] = str(words[event.refusal.reason])
    facts["event"] = str(event.id)
    return [(str(words[name]), value) for name, value in facts.items()]


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
        return _rendered(name, language, **values)
    return _rendered(
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


def _rendered(name: str, language: Language, **values: object) -> str:
    template = _template(name, language)
    # This is `render` without a new set of Jinja's globals, which would take as long as the text.
    said = template.root_render_func(template.new_context(values, shared=True))
    return "".join(said).strip()


@functools.cache
def _template(name: str, language: Language) -> jinja2.Template:
    return TEXTS.get_template(f"{language.value}/{name}")
