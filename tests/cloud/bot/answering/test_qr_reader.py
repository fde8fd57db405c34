"""All QR codes of a photo are found: turned, small, pale or inverted ones, too."""

from collections.abc import Callable

import pytest
from PIL import Image, ImageFilter, ImageOps

from cloud.bot.answering.qr_reader import read_qr_codes
from tests.cloud.bot.answering.pictures import below, beside, canvas, code, encoded

PASS = "https://gate.example.org/p/7Kq2mXw9RtB4z"
OTHER = "https://gate.example.org/p/8Kq2mXw9RtB4z"
POSTER = "https://t.me/maskgate_bot?start=gate_AbCdEfGhIjKlMnOp"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("placed", [beside, below])
@pytest.mark.parametrize("texts", [(PASS, OTHER), (POSTER, PASS), (PASS, POSTER)])
def test_every_code_of_a_picture_is_read(
    placed: Callable[[tuple[str, str]], Image.Image], texts: tuple[str, str], kind: str
) -> None:
    assert set(read_qr_codes(encoded(placed(texts), kind))) == set(texts)


def test_the_code_that_was_held_closest_comes_first() -> None:
    near, far = (code(OTHER, 12), (20, 20)), (code(PASS, 5), (700, 700))
    for order in ([near, far], [far, near]):
        assert read_qr_codes(encoded(canvas(*order))) == [OTHER, PASS]


def test_a_code_that_is_there_twice_is_read_once() -> None:
    assert read_qr_codes(encoded(beside((PASS, PASS)))) == [PASS]


def pale(picture: Image.Image) -> Image.Image:
    """Return the picture with little contrast, as behind glare."""
    return picture.point(lambda value: 110 + value * 15 // 255)


def see_through(picture: Image.Image) -> Image.Image:
    """Return the code on a transparent ground, as some messengers save a picture."""
    drawn = Image.new("LA", picture.size, (0, 0))
    drawn.putalpha(ImageOps.invert(picture))
    return drawn


@pytest.mark.parametrize(
    "picture",
    [
        *(canvas((code(PASS), (300, 300))).rotate(turn) for turn in (20, 45, 90, 180, 290)),
        ImageOps.invert(canvas((code(PASS), (300, 300)))),
        canvas((ImageOps.invert(code(PASS)), (300, 300)), (code(POSTER), (550, 550))),
        pale(canvas((code(PASS), (300, 300)))),
        canvas((code(PASS, 2), (600, 300)), size=(1280, 960)),
        canvas((code(POSTER, 16), (20, 20)), (code(PASS, 3), (1000, 600)), size=(1280, 960)),
        code(PASS, 3).filter(ImageFilter.GaussianBlur(1.5)),
        see_through(code(PASS)),
    ],
)
def test_codes_are_read_turned_inverted_pale_small_and_blurred(picture: Image.Image) -> None:
    assert PASS in read_qr_codes(encoded(picture))


def test_a_picture_without_codes_has_none() -> None:
    assert read_qr_codes(encoded(canvas())) == []
