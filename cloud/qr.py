"""Token → QR code, as PNG or SVG. Pure: no clock, no network, no settings."""

import io

import segno

from cloud.contract.signed_passes import SignedPass

SCALE = 10
"""Pixels a module: a code of version 3 with its border is then 370 px wide."""

BORDER = 4
"""Modules of quiet zone (ISO/IEC 18004:2015 section 6.3.8 asks for four)."""

ERROR_CORRECTION = "m"
"""15 % of the codewords may be lost: enough for a scratched screen, and still small modules."""


def payload(token: str, public_url: str | None, signed: SignedPass | None = None) -> str:
    """Return what the code says: the pass's address where one is known, else the bare token.

    Args:
        token: The pass's token.
        public_url: The API's address as phones reach it; None where there is none.
        signed: The signature to append; None where passes are not signed.

    Returns:
        The text of the code.
    """
    text = token if public_url is None else f"{public_url.rstrip('/')}/p/{token}"
    return text if signed is None else text + signed.suffix


def png(content: str) -> bytes:
    """Return a black-on-white PNG of `content`."""
    image = io.BytesIO()
    _code(content).save(image, kind="png", scale=SCALE, border=BORDER)
    return image.getvalue()


def svg(content: str) -> bytes:
    """Return an SVG document of `content`, sized by its viewer, on a white ground."""
    image = io.BytesIO()
    _code(content).save(
        image, kind="svg", scale=SCALE, border=BORDER, light="#fff", omitsize=True, title="Pass"
    )
    return image.getvalue()


def _code(content: str) -> segno.QRCode:
    return segno.make_qr(content, error=ERROR_CORRECTION)
