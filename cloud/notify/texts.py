"""The texts of deliveries, from the templates beside this file. A token is in none of them."""

import functools
import tomllib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import jinja2

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
    Topic,
    WebhookEvent,
)

_FOLDER = Path(__file__).parent / "templates"

_TEXTS = jinja2.Environment(
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


def _time_of_day(moment: datetime) -> str:
    return moment.time().isoformat("seconds")


for _environment in (_TEXTS, _PAGES):
    _environment.filters["time_of_day"] = _time_of_day

_TEMPLATE_OF = {
    (Channel.TELEGRAM, Access.GRANTED): "pass.telegram.txt",
    (Channel.TELEGRAM, Access.REFUSED): "refusal.telegram.txt",
    (Channel.EMAIL, Access.REFUSED): "refusal.email.txt",
}

_WORDS = {
    Language.EN: {
        "without": "without a mask",
        "wrongly": "mask worn wrongly",
        "with_mask": "with a mask",
        "without_mask": "no mask",
        "incorrect_mask": "mask worn wrongly",
        "heads": ("when (UTC)", "what", "confidence"),
        "facts": ("Gate", "When", "What", "Confidence", "Event"),
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
        "heads": ("cuándo (UTC)", "qué", "confianza"),
        "facts": ("Puerta", "Cuándo", "Qué", "Confianza", "Evento"),
        "looks": "en {} miradas",
        "more": "Se muestran los últimos 50. El panel los tiene todos.",
        "why": "Recibes este correo porque esta dirección está suscrita a {}.",
    },
}


def topic_of(decision: Decision) -> Topic:
    """Return what a decision is about, as subscribers choose it."""
    return Topic.PASS if decision.access is Access.GRANTED else Topic.REFUSAL


def text_of(
    channel: Channel,
    gate: Gate,
    event: Event,
    decision: Decision,
    language: Language = Language.EN,
) -> str | None:
    """Return what subscribers on a channel are told of a decision; None where it is nothing.

    Those in charge get refusals by mail, and never a pass. A webhook is told in JSON.
    """
    if channel is Channel.WEBHOOK:
        return WebhookEvent.of(gate, event, decision).model_dump_json()
    name = _TEMPLATE_OF.get((channel, decision.access))
    if name is None:
        return None
    return _rendered(name, language, gate=gate, event=event, decision=decision)


def visitor_text(gate: Gate, event: Event, decision: Decision, language: Language) -> str:
    """Return what the visitor who stands at the gate is told."""
    granted = decision.access is Access.GRANTED
    name = "pass.telegram.txt" if granted else "visitor.refusal.txt"
    return _rendered(name, language, gate=gate, event=event, decision=decision)


def manual_pass_text(gate: Gate, issued: IssuedPass, language: Language) -> str:
    """Return what is said below the code of a pass that was made by hand."""
    return _rendered("pass.manual.txt", language, gate=gate, issued=issued)


def outage_text(
    device: Device, gate: Gate, since: datetime, at: datetime, language: Language, *, over: bool
) -> str:
    """Return what is told of a device that is silent `since` then, or is back `at` last."""
    name = "outage.ended.txt" if over else "outage.begun.txt"
    return _rendered(name, language, device=device, gate=gate, since=since, at=at)


def test_text(gate: Gate, language: Language) -> str:
    """Return what a chat or a mailbox gets that an operator tries out."""
    return _rendered("test.txt", language, gate=gate)


def digest_text(gate: str, events: Sequence[Event], language: Language) -> str:
    """Return one mail about several refusals, its subject first; `gate` is its name."""
    return _rendered("digest.email.txt", language, gate=gate, events=events, **_counts(events))


def mail_page(subject: str, gate: str, events: Sequence[Event], language: Language) -> str:
    """Return the same mail as HTML: one event as a list of facts, several as a table."""
    words = dict(_WORDS[language])
    first = events[0]
    facts = (
        gate,
        first.occurred_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        words[first.label.value],
        f"{first.confidence * 100:.0f} %, {str(words['looks']).format(first.votes)}",
        str(first.id),
    )
    return _PAGES.get_template("mail.html").render(
        language=language.value,
        subject=subject,
        events=events,
        facts=list(zip(words["facts"], facts, strict=True)),
        words={**words, "why": str(words["why"]).format(gate)},
        **_counts(events),
    )


def bot_text(name: str, language: Language = Language.EN, **values: object) -> str:
    """Return one of the bot's own sentences, by its name in the language's bot.toml."""
    return _sentence(name, language).render(**values).strip()


@functools.cache
def _sentence(name: str, language: Language) -> jinja2.Template:
    catalogue = tomllib.loads((_FOLDER / language.value / "bot.toml").read_text("utf-8"))
    return _TEXTS.from_string(catalogue[name])


def _counts(events: Sequence[Event]) -> dict[str, int]:
    wrongly = sum(event.label is Label.INCORRECT_MASK for event in events)
    return {"wrongly": wrongly, "without": len(events) - wrongly}


def _rendered(name: str, language: Language, **values: object) -> str:
    template = _template(name, language)
    # As `render` does, but for Jinja's globals: putting them together anew takes as long as a text.
    said = template.root_render_func(template.new_context(values, shared=True))
    return "".join(said).strip()


@functools.cache
def _template(name: str, language: Language) -> jinja2.Template:
    return _TEXTS.get_template(f"{language.value}/{name}")
