"""Reading a QR code off a photo, by zxing-cpp. What people send is never trusted."""

import io
import warnings

import zxingcpp
from PIL import Image, UnidentifiedImageError

LARGEST_BYTES = 5 * 1024 * 1024
LARGEST_PIXELS = 40_000_000
"""A few kilobytes can unfold into gigabytes of pixels; phones make up to some 20 million."""


class NotAPicture(Exception):  # noqa: N818 (the name is the state)
    """What was sent cannot be read as a picture."""


def read_code(content: bytes) -> str | None:
    """Return the text of the first QR code in a picture, or None; raise NotAPicture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as picture:
                if picture.width * picture.height > LARGEST_PIXELS:
                    raise NotAPicture("too many pixels")
                grey = picture.convert("L")
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
        OSError,
        ValueError,
        SyntaxError,
    ) as error:
        raise NotAPicture(str(error)) from error
    for found in zxingcpp.read_barcodes(grey):
        if found.format == zxingcpp.BarcodeFormat.QRCode:
            return str(found.text)
    return None
