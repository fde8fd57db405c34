"""The page's own HTML: Jinja templates, with every value escaped."""

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
