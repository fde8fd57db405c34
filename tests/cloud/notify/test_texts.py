import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from jinja2 import Environment, meta

from cloud import gatekeeping
from cloud.contract import (
    Access,
    Channel,
    Event,
    EventRecord,
    Gate,
    Label,
    Language,
    Outcome,
)
from cloud.notify.mail_texts import digest_text, mail_page
from cloud.notify.texts import bot_text, text_of

TEMPLATES = Path(__file__).parents[3] / "cloud" / "notify" / "templates"
PEOPLE = (Channel.TELEGRAM, Channel.EMAIL)
NOW = datetime(2026, 3, 2, 8, 15, 31, tzinfo=UTC)
PLACE = Gate(id="main", name="Main entrance <1>", created_at=NOW)
SEEN = NOW - timedelta(seconds=1)
Make = Callable[..., Event]


def seen(make_event: Make, label: Label = Label.WITH_MASK, at: datetime = SEEN) -> Event:
    return make_event(label, first_seen_at=at, occurred_at=at)


def text(channel: Channel, event: Event, language: Language = Language.EN) -> str | None:
    decision = gatekeeping.decide(event, "main", timedelta(minutes=5), NOW)
    said = text_of(channel, PLACE, event, decision, language)
    if said is not None and decision.issued_pass is not None:
        assert decision.issued_pass.token not in said
    return said


def test_a_pass_says_where_until_when_and_what_to_do(make_event: Make) -> None:
    said = text(Channel.TELEGRAM, seen(make_event))
    assert said is not None
    assert "Main entrance <1>" in said
    assert "08:20:30 UTC" in said
    assert "Show this code at the door" in said


def test_a_refusal_says_what_to_do(make_event: Make) -> None:
    assert "cover your nose" in (
        text(Channel.TELEGRAM, seen(make_event, Label.INCORRECT_MASK)) or ""
    )
    assert "put on a mask" in (text(Channel.TELEGRAM, seen(make_event, Label.WITHOUT_MASK)) or "")


def test_a_mail_sums_the_event_up(make_event: Make) -> None:
    event = seen(make_event, Label.WITHOUT_MASK)
    said = text(Channel.EMAIL, event)
    assert said is not None
    assert said.splitlines()[0] == "Refused at Main entrance <1>: no mask"
    for fact in ("2026-03-02 08:15:30 UTC", "no mask", "97 %", "9 looks", str(event.id)):
        assert fact in said


def test_nobody_is_mailed_about_a_pass(make_event: Make) -> None:
    assert text(Channel.EMAIL, seen(make_event)) is None


def record(event: Event, accepted_at: datetime) -> EventRecord:
    return EventRecord(
        **event.model_dump(),
        gate="main",
        device_id="camera",
        access=Access.REFUSED,
        accepted_at=accepted_at,
        happened_at=event.occurred_at,
        cursor="1-0",
    )


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("label", [Label.WITHOUT_MASK, Label.INCORRECT_MASK])
def test_no_text_for_people_says_a_label_or_a_reason_of_the_wire(
    make_event: Make, label: Label, language: Language
) -> None:
    hours = timedelta(hours=3)
    events = [seen(make_event, label, at) for at in (SEEN, SEEN - hours, SEEN + hours)]
    said = [text(channel, each, language) for channel in PEOPLE for each in events]
    records = [record(each, NOW) for each in events]
    said += [digest_text("Main", records, language), mail_page("s", "Main", records, language)]
    said += [mail_page("s", "Main", [each], language) for each in records]
    for each in said:
        assert each is not None
        assert "_mask" not in each
        assert "_late" not in each
        assert "clock_" not in each


@pytest.mark.parametrize(
    ("language", "words"),
    [(Language.EN, "delivered late"), (Language.ES, "entregado con retraso")],
)
def test_an_alert_has_its_time_and_says_where_it_was_delivered_late(
    make_event: Make, language: Language, words: str
) -> None:
    for channel in PEOPLE:
        prompt = text(channel, seen(make_event, Label.WITHOUT_MASK), language) or ""
        assert "08:15:30 UTC" in prompt
        assert words not in prompt
        minutes = seen(make_event, Label.WITHOUT_MASK, NOW - timedelta(minutes=2))
        late = text(channel, minutes, language) or ""
        assert "08:13:31 UTC" in late
        assert words in late
        days = seen(make_event, Label.INCORRECT_MASK, NOW - timedelta(days=2))
        too_late = text(channel, days, language) or ""
        assert "2026-02-28 08:15:31 UTC" in too_late
        assert words in too_late


def test_only_webhooks_are_told_of_a_mask_that_came_too_late(make_event: Make) -> None:
    event = seen(make_event, at=NOW - timedelta(days=2))
    assert [text(channel, event) for channel in PEOPLE] == [None, None]
    assert '"too_late"' in (text(Channel.WEBHOOK, event) or "")


@pytest.mark.parametrize(
    ("language", "words"), [(Language.EN, "clock is ahead"), (Language.ES, "va adelantado")]
)
def test_an_alert_of_the_future_speaks_of_the_doors_clock(
    make_event: Make, language: Language, words: str
) -> None:
    event = seen(make_event, Label.WITHOUT_MASK, NOW + timedelta(days=2))
    chat, mail = (text(channel, event, language) or "" for channel in PEOPLE)
    assert "2026-03-04 08:15:31 UTC" in chat
    assert "2026-03-04 08:15:31 UTC" in mail
    assert words in mail
    assert ("ahead" if language is Language.EN else words) in chat


@pytest.mark.parametrize(
    ("language", "words"),
    [(Language.EN, "delivered late"), (Language.ES, "entregado con retraso")],
)
def test_a_digest_marks_what_was_delivered_late_in_text_and_html(
    make_event: Make, language: Language, words: str
) -> None:
    prompt = record(seen(make_event, Label.WITHOUT_MASK), NOW)
    late = record(seen(make_event, Label.INCORRECT_MASK, NOW - timedelta(days=2)), NOW)
    lines = digest_text("Main", [prompt, late], language).splitlines()
    rows = {str(each.id): next(x for x in lines if str(each.id) in x) for each in (prompt, late)}
    assert words in rows[str(late.id)]
    assert words not in rows[str(prompt.id)]
    assert "2026-02-28 08:15:31 UTC" in rows[str(late.id)]
    # The span is from the earliest to the latest, whatever came first.
    assert "2026-02-28 08:15:31 UTC" in lines[2]
    assert "2026-03-02 08:15:30 UTC" in lines[2]
    assert mail_page("s", "Main", [prompt, late], language).count(words) == 1
    alone = mail_page("s", "Main", [late], language)
    assert "2026-02-28 08:15:31 UTC" in alone
    assert words in alone


def test_the_bot_says_the_same_in_every_language() -> None:
    """The same sentences, with the same things to say in them."""
    spoken = {}
    for language in Language:
        catalogue = tomllib.loads((TEMPLATES / language.value / "bot.toml").read_text("utf-8"))
        spoken[language] = {
            name: meta.find_undeclared_variables(Environment().parse(text))
            for name, text in catalogue.items()
        }
    assert spoken[Language.ES] == spoken[Language.EN]
    assert {f"outcome_{outcome.value}" for outcome in Outcome} <= set(spoken[Language.EN])


def test_the_bot_tells_a_chat_its_id_and_its_gates() -> None:
    assert "42" in bot_text("start", chat=42, gates=[])
    assert "main, back" in bot_text("start", chat=42, gates=["main", "back"])
    assert "/status" in bot_text("help")
    assert "español" in bot_text("language", Language.ES)
