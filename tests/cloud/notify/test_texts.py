import tomllib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jinja2 import Environment, meta

from cloud import gatekeeping
from cloud.contract import Channel, Event, Gate, Label, Language, Outcome
from cloud.notify.texts import bot_text, text_of

TEMPLATES = Path(__file__).parents[3] / "cloud" / "notify" / "templates"
NOW = datetime(2026, 3, 2, 8, 15, 31, tzinfo=UTC)
PLACE = Gate(id="main", name="Main entrance <1>", created_at=NOW)
Make = Callable[..., Event]


def text(channel: Channel, event: Event) -> str | None:
    decision = gatekeeping.decide(event, "main", timedelta(minutes=5), NOW)
    said = text_of(channel, PLACE, event, decision)
    if said is not None and decision.issued_pass is not None:
        assert decision.issued_pass.token not in said
    return said


def test_a_pass_says_where_until_when_and_what_to_do(make_event: Make) -> None:
    said = text(Channel.TELEGRAM, make_event())
    assert said is not None
    assert "Main entrance <1>" in said
    assert "08:20:31 UTC" in said
    assert "Show this code at the door" in said


def test_a_refusal_says_what_to_do(make_event: Make) -> None:
    assert "cover your nose" in (text(Channel.TELEGRAM, make_event(Label.INCORRECT_MASK)) or "")
    assert "put on a mask" in (text(Channel.TELEGRAM, make_event(Label.WITHOUT_MASK)) or "")


def test_a_mail_sums_the_event_up(make_event: Make) -> None:
    event = make_event(Label.WITHOUT_MASK)
    said = text(Channel.EMAIL, event)
    assert said is not None
    assert said.splitlines()[0] == "Refused at Main entrance <1>: no mask"
    for fact in ("2026-03-02 08:15:30 UTC", "without_mask", "97 %", "9 looks", str(event.id)):
        assert fact in said


def test_nobody_is_mailed_about_a_pass(make_event: Make) -> None:
    assert text(Channel.EMAIL, make_event()) is None


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
