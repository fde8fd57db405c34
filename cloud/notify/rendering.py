"""Rendering of the templates beside this file, by Jinja."""

import functools
import tomllib
from pathlib import Path
from typing import Final

import jinja2

from cloud.contract import Language

_FOLDER = Path(__file__).parent / "templates"


def _environment(*, html: bool) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        auto_reload=False,  # otherwise each text looks at its file again
        undefined=jinja2.StrictUndefined,
        autoescape=html,  # noqa: S701 (a plain text holds no HTML)
        trim_blocks=True,
        lstrip_blocks=True,
    )


TEXTS: Final = _environment(html=False)
_PAGES: Final = _environment(html=True)


def rendered(name: str, language: Language, **values: object) -> str:
    """Return a text from its template."""
    template = _template(name, language)
    # This is `render` without a new set of Jinja's globals, which would take as long as the text.
    said = template.root_render_func(template.new_context(values, shared=True))
    return "".join(said).strip()


def page(name: str, **values: object) -> str:
    """Return an HTML page from its template; values are escaped."""
    return _PAGES.get_template(name).render(**values)


def sentence(name: str, language: Language, **values: object) -> str:
    """Return a sentence from the language's bot.toml."""
    return _sentence(name, language).render(**values).strip()


@functools.cache
def _template(name: str, language: Language) -> jinja2.Template:
    return TEXTS.get_template(f"{language.value}/{name}")


@functools.cache
def _sentence(name: str, language: Language) -> jinja2.Template:
    catalogue = tomllib.loads((_FOLDER / language.value / "bot.toml").read_text("utf-8"))
    return TEXTS.from_string(catalogue[name])
