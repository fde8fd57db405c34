"""Addresses of cameras: shown without passwords, and encoded for FFmpeg."""

import re
from typing import Final
from urllib.parse import quote

_HOST: Final = re.compile(
    r"(?:\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^\s:/?#\[\]@]+)(?::\d{1,5})?(?=[/?#]|$)"
)
_NUMBERED: Final = re.compile(r"(?:channel|subtype|stream|profile)=\d{1,3}")
"""Parameters that distinguish two cameras at one address, and are no secret."""


def without_password(text: str) -> str:
    """Return a source without the user and password that its address may hold.

    Everything before the last `@` is left out, and every parameter but the number of a channel,
    because cameras also take `?user=admin&password=…`.

    Args:
        text: An address, a path or a camera's number.

    Returns:
        The text for people; a path stays as it is.
    """
    scheme, found, rest = text.partition("://")
    login, _, rest = rest.rpartition("@") if found else text.rpartition("@")
    if not found and (":" not in login or text.startswith(("/", ".", "~"))):
        return text
    host = _HOST.match(rest)
    if host is None or ("=" in login and not _is_clear(login)):
        return f"{scheme}://…" if found else "…"
    path = re.split("[?#=]", rest, maxsplit=1)[0]
    shown = path.rpartition("/")[0] if rest[len(path) : len(path) + 1] == "=" else path
    numbers = "&".join(_NUMBERED.findall(rest.partition("?")[2]))
    shown += f"?{numbers}" if numbers else ""
    return f"{scheme.lower()}://{shown}" if found else shown


def for_ffmpeg(text: str) -> str:
    """Percent-encode the login of an address, if it can be read in only one way.

    FFmpeg decodes the login (libavformat/httpauth.c).

    Args:
        text: The address. What is encoded already stays so.

    Returns:
        The address.
    """
    scheme, _, rest = text.partition("://")
    login, at, rest = rest.rpartition("@")
    if at and _is_clear(login) and _HOST.match(rest):
        user, colon, password = login.partition(":")
        login = f"{_encoded(user)}{colon}{_encoded(password)}"
    return f"{scheme.lower()}://{login}{at}{rest}"


def _is_clear(login: str) -> bool:
    """Return whether the text before the first of `/?#` cannot be a host (RFC 3986, 3.2)."""
    first = re.split("[/?#]", login, maxsplit=1)
    return len(first) == 1 or not ("@" in first[0] or not first[0] or _HOST.fullmatch(first[0]))


def _encoded(text: str) -> str:
    parts = re.split("(%[0-9A-Fa-f]{2})", text)
    return "".join(
        part if number % 2 else quote(part, safe="") for number, part in enumerate(parts)
    )
