"""The page's own HTML: Jinja templates, with every value escaped.

Streamlit draws its own table on a canvas: on a phone it has to be scrolled sideways, and it does
not grow with the reader's font. A table in HTML becomes a list of cards on a phone.
"""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

TEMPLATES = Path(__file__).parent / "templates"

_environment = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(template: str, /, **values: object) -> Markup:
    """Fill templates/<template>.html in; a value that is missing is an error."""
    return Markup(_environment.get_template(f"{template}.html").render(values))  # noqa: S704
