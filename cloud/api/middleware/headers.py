"""Headers of answers for browsers, and the reading of a request's headers."""

from collections.abc import Mapping

from starlette.types import Scope

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

OVER_TLS = {"Strict-Transport-Security": "max-age=31536000"}
"""Added where browsers reach the API over https (RFC 6797): for a year, by https alone."""

NOTHING_LOADED = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Content-Security-Policy of all but the API's own documentation, which loads its viewer."""

DOCUMENTATION = ("/docs", "/redoc")

CONTENT_POLICY = {"Content-Security-Policy": NOTHING_LOADED}


def security_headers(*, over_tls: bool) -> list[tuple[bytes, bytes]]:
    """Return the headers that every answer has, as they travel."""
    return _encoded(SECURITY_HEADERS | CONTENT_POLICY | (OVER_TLS if over_tls else {}))


def documentation_headers(*, over_tls: bool) -> list[tuple[bytes, bytes]]:
    """Return the headers of the pages of documentation, which load their viewer."""
    return _encoded(SECURITY_HEADERS | (OVER_TLS if over_tls else {}))


def header(scope: Scope, wanted: bytes) -> bytes:
    """Return a header, or nothing where it was not sent. Names are in lower case (ASGI)."""
    for name, value in scope["headers"]:
        if name == wanted:
            return bytes(value)
    return b""


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return headers as they travel: encoded once, and not for each answer."""
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
