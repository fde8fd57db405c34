"""The page's own HTML: Jinja templates, with every value escaped.

Streamlit's own table is drawn on a canvas: on a phone it scrolls sideways under the thumb, and it
does not grow with the reader's font. A plain one becomes a list of cards there.
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
    """Fill templates/<template>.html. A value that the template lacks is an error, never a gap."""
    return Markup(_environment.get_template(f"{template}.html").render(values))  # noqa: S704
