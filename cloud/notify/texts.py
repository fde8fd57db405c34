"""The texts of deliveries, from the templates beside this file. A token is in none of them."""

from pathlib import Path

import jinja2

from cloud.contract import Access, Channel, Decision, Event, Gate

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    undefined=jinja2.StrictUndefined,
    autoescape=False,  # noqa: S701 (plain text: nothing here is HTML)
    trim_blocks=True,
    lstrip_blocks=True,
)

_TEMPLATE_OF = {
    (Channel.TELEGRAM, Access.GRANTED): "pass.telegram.txt",
    (Channel.TELEGRAM, Access.REFUSED): "refusal.telegram.txt",
    (Channel.EMAIL, Access.REFUSED): "refusal.email.txt",
}


def text_of(channel: Channel, gate: Gate, event: Event, decision: Decision) -> str | None:
    """Return what subscribers on a channel are told of a decision; None where it is nothing.

    Passes go to Telegram alone; those in charge get refusals by mail.
    """
    name = _TEMPLATE_OF.get((channel, decision.access))
    if name is None:
        return None
    return _TEMPLATES.get_template(name).render(gate=gate, event=event, decision=decision).strip()


def bot_text(name: str, **values: object) -> str:
    """Return one of the bot's own answers, by the name of its template."""
    return _TEMPLATES.get_template(f"bot.{name}.txt").render(**values).strip()
