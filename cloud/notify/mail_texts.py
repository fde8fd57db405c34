"""The texts of mails about one event or several: a digest in plain text, and the page in HTML."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from cloud.contract import EventRecord, Label, Language
from cloud.notify.rendering import page, rendered
from cloud.notify.times import in_full
from cloud.notify.wording import WORDS, label_words
from cloud.occurrence import Occurrence


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
    return rendered(
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
    words = WORDS[language]
    return page(
        "mail.html",
        language=language.value,
        subject=subject,
        rows=_rows(events, language, zone),
        facts=_facts(gate, events[0], language, zone),
        words={**words, "why": str(words["why"]).format(gate)},
        **_counts(events),
    )


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
            str(WORDS[language]["late"]) if _late(event) else "",
        )
        for event in events
    ]


def _facts(
    gate: str, event: EventRecord, language: Language, zone: tzinfo
) -> list[tuple[str, str]]:
    words = WORDS[language]
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
