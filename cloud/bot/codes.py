"""QR codes in a photo, read by zxing-cpp. What people send is never trusted."""

import io
import warnings
from collections.abc import Callable, Iterator

import zxingcpp
from PIL import Image, ImageOps, UnidentifiedImageError

from cloud.tokens import tokens_in

LARGEST_BYTES = 5 * 1024 * 1024
LARGEST_PIXELS = 40_000_000
"""A few kilobytes can unfold into gigabytes of pixels; phones make up to some 20 million."""

ENLARGED_PIXELS = 2_000_000
"""Pictures up to this size are enlarged for a third look; codes in larger ones are rarely small."""


class NotAPicture(Exception):  # noqa: N818 (the name is the state)
    """What was sent cannot be read as a picture."""


def read_codes(content: bytes) -> list[str]:
    """Return the texts of the QR codes in a picture, each once, the largest code first.

    The largest is the one that was held closest to the camera. Codes may be turned, inverted,
    small or pale. While none of them holds a token, the picture is looked at again with more
    contrast, and then enlarged: this finds codes that the first look misses.

    Raises:
        NotAPicture: the content is no picture that can be read, or has too many pixels.
    """
    picture = _opened(content)
    sizes: dict[str, float] = {}
    for look in (_plainly, _with_more_contrast, _enlarged):
        for barcode in look(picture):
            sizes[barcode.text] = max(_size(barcode.position), sizes.get(barcode.text, 0))
        if any(tokens_in(text) for text in sizes):
            break
    return sorted(sizes, key=lambda text: sizes[text], reverse=True)


def _opened(content: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as picture:
                if picture.width * picture.height > LARGEST_PIXELS:
                    raise NotAPicture("too many pixels")
                if picture.has_transparency_data:
                    # What shines through would turn black, and with it the quiet zone of a code.
                    white = Image.new("RGBA", picture.size, "white")
                    return Image.alpha_composite(white, picture.convert("RGBA")).convert("L")
                return picture.convert("L")
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
        OSError,
        ValueError,
        SyntaxError,
    ) as error:
        raise NotAPicture(str(error)) from error


Look = Callable[[Image.Image], Iterator[zxingcpp.Barcode]]


def _plainly(picture: Image.Image) -> Iterator[zxingcpp.Barcode]:
    yield from _found(picture, zxingcpp.Binarizer.LocalAverage)


def _with_more_contrast(picture: Image.Image) -> Iterator[zxingcpp.Barcode]:
    """Find pale codes, which the local average takes for an even ground."""
    yield from _found(ImageOps.autocontrast(picture), zxingcpp.Binarizer.GlobalHistogram)


def _enlarged(picture: Image.Image) -> Iterator[zxingcpp.Barcode]:
    """Find small blurred codes."""
    if picture.width * picture.height <= ENLARGED_PIXELS:
        twice = picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.BICUBIC)
        yield from _found(twice, zxingcpp.Binarizer.LocalAverage)


def _found(picture: Image.Image, binarizer: zxingcpp.Binarizer) -> list[zxingcpp.Barcode]:
    # No constant: nanobind complains of an object that is still there when the process ends.
    formats = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    return list(zxingcpp.read_barcodes(picture, formats=formats, binarizer=binarizer))


def _size(position: zxingcpp.Position) -> float:
    """Return the area of the box around a code, in pixels of the picture that it was found in."""
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    xs, ys = [corner.x for corner in corners], [corner.y for corner in corners]
    return float((max(xs) - min(xs)) * (max(ys) - min(ys)))
