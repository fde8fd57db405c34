"""Reading of the QR codes in a photo, with zxing-cpp. A photo may be anything, even an attack."""

import io
import warnings
from collections.abc import Iterator

import zxingcpp
from PIL import Image, ImageOps, UnidentifiedImageError

from cloud.tokens import tokens_in

LARGEST_BYTES = 5 * 1024 * 1024
LARGEST_PIXELS = 40_000_000
"""A few kilobytes can unpack to gigabytes of pixels; phones make photos of some 20 million."""

ENLARGED_PIXELS = 2_000_000
"""Photos up to this size are enlarged for a third try; codes in larger ones are rarely small."""


class UnreadablePicture(Exception):  # noqa: N818 (the name is the state)
    """The content is no picture that can be read."""


def read_qr_codes(content: bytes) -> list[str]:
    """Read the QR codes in a picture.

    Codes may be turned, inverted, small or pale. While no code that was found holds a token, the
    picture is read again with more contrast, and then enlarged.

    Args:
        content: A file in the format JPEG, PNG or WebP.

    Returns:
        The texts of the codes, each once. The largest code comes first, since people hold the code
        that they mean closest to the camera.

    Raises:
        UnreadablePicture: The content is no picture that can be read, or has too many pixels.
    """
    picture = _open(content)
    sizes: dict[str, float] = {}
    for find in (_as_it_is, _with_more_contrast, _enlarged):
        for barcode in find(picture):
            sizes[barcode.text] = max(_size(barcode.position), sizes.get(barcode.text, 0))
        if any(tokens_in(text) for text in sizes):
            break
    return sorted(sizes, key=lambda text: sizes[text], reverse=True)


def _open(content: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as picture:
                if picture.width * picture.height > LARGEST_PIXELS:
                    raise UnreadablePicture("too many pixels")
                if picture.has_transparency_data:
                    # Transparent parts would turn black, and with them the quiet zone of a code.
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
        raise UnreadablePicture(str(error)) from error


def _as_it_is(picture: Image.Image) -> Iterator[zxingcpp.Barcode]:
    yield from _read(picture, zxingcpp.Binarizer.LocalAverage)


def _with_more_contrast(picture: Image.Image) -> Iterator[zxingcpp.Barcode]:
    """Find pale codes, which the local average takes for an even background."""
    yield from _read(ImageOps.autocontrast(picture), zxingcpp.Binarizer.GlobalHistogram)


def _enlarged(picture: Image.Image) -> Iterator[zxingcpp.Barcode]:
    """Find small blurred codes."""
    if picture.width * picture.height <= ENLARGED_PIXELS:
        twice = picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.BICUBIC)
        yield from _read(twice, zxingcpp.Binarizer.LocalAverage)


def _read(picture: Image.Image, binarizer: zxingcpp.Binarizer) -> list[zxingcpp.Barcode]:
    # This is no constant: nanobind warns of an object that still exists when the process ends.
    formats = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)
    return list(zxingcpp.read_barcodes(picture, formats=formats, binarizer=binarizer))


def _size(position: zxingcpp.Position) -> float:
    """Return the area of the box around a code, in pixels of the picture."""
    corners = (position.top_left, position.top_right, position.bottom_right, position.bottom_left)
    xs, ys = [corner.x for corner in corners], [corner.y for corner in corners]
    return float((max(xs) - min(xs)) * (max(ys) - min(ys)))
