"""Pictures of QR codes, such as people take with a phone."""

import io
from collections.abc import Iterable

import segno
from PIL import Image

Placed = tuple[Image.Image, tuple[int, int]]
"""A picture, and the place of its upper left corner."""


def code(text: str, scale: int = 8) -> Image.Image:
    """Return a code with its quiet zone, black on white, `scale` pixels a module."""
    file = io.BytesIO()
    segno.make_qr(text, error="m").save(file, kind="png", scale=scale, border=4)
    return Image.open(file).convert("L")


def canvas(*codes: Placed, size: tuple[int, int] = (1000, 1000)) -> Image.Image:
    """Return a picture of a light wall with codes on it."""
    wall = Image.new("L", size, 200)
    for picture, place in codes:
        wall.paste(picture, place)
    return wall


def beside(texts: Iterable[str]) -> Image.Image:
    """Return codes side by side."""
    return canvas(*((code(text), (20 + 420 * at, 40)) for at, text in enumerate(texts)))


def below(texts: Iterable[str]) -> Image.Image:
    """Return codes one above the other."""
    return canvas(*((code(text), (40, 20 + 420 * at)) for at, text in enumerate(texts)))


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    """Return the picture as a file."""
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()
