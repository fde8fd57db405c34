"""Addresses with credentials: redacted for people and logs, and encoded for FFmpeg."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

REDACTED: Final = "…"
"""Replaces a secret in every output."""

HOW_TO_ENCODE: Final = (
    "Percent-encode the user name and the password of the address: # is %23, / is %2F, ? is %3F,"
    " @ is %40, : is %3A, % is %25, [ is %5B, ] is %5D, a space is %20"
)
"""The reserved characters of RFC 3986 section 2.2 that cut an address, and `%` itself."""

_SCHEME: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]+):/+")
# pathlib reduces `//` to `/`, so an address that was taken for a path has one slash.
_IN_TEXT: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,30}:/+[^\r\n]*@")
_BARE: Final = re.compile(r"[^\s/:@'\"(]{1,80}:[^\s/]\S*@")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,30}:/+\S+")
_DEVICE: Final = re.compile(r"\s*[A-Za-z0-9]+:/dev/[\w./-]+[:,;)'\"]*")
"""A device file with the kind of its reader, such as `serial:/dev/ttyUSB0`; it holds no secret."""

_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+(?:%\w+)?\]|[^\s:/?#\[\]@]+)(?::\d{1,5})?")
_AFTER_HOST: Final = re.compile(r"[/?#]|$|[ '\"),.;]|:(?:\s|$)")
"""What may follow a host in an address, or in a text about one."""

_PARAMETERS: Final = re.compile(r"[?&;]")
_SHORT: Final = re.compile(r"\w{1,20}(?:=\w{0,2})?")
_TELLING: Final = re.compile(
    r"us(?:e)?r|name|pass|pwd|psw|pw|token|key|auth|sec|sig|log|cred|pin|code", re.IGNORECASE
)
_HARMLESS: Final = re.compile(
    r"(?:real_?stream|(?:channel|subtype|stream|streamtype|profile|resolution|width|height|fps"
    r"|camera|codec|quality|compression|transportmode|unicast|proto|timeout)=\w{1,12})?",
    re.IGNORECASE,
)
"""Parameters of camera addresses that are never secret. They are shown even after a secret one."""

_ANY_NAME: Final = re.compile(r"\w{1,20}")
_SECRET_NAME: Final = re.compile(
    r"user|usr|user_?name|login|loginuse|loginpas|pass|passwd|password|pwd|psw|token|auth|key",
    re.IGNORECASE,
)
"""Names of secret parameters in cameras' addresses; a name is shown, its value is not."""

_UNENCODED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|[/?#\[\]@\s]")


@dataclass(frozen=True, slots=True)
class Address:
    """An address, cut at its last `@`.

    Attributes:
        scheme: In lower case.
        login: User name and password as they were written; None if there is no `@`.
        rest: Host, port, path, query and fragment.
    """

    scheme: str
    login: str | None
    rest: str

    @classmethod
    def cut(cls, text: str) -> "Address | None":
        """Cut an address; return None if the text has no `scheme://`."""
        begun = _SCHEME.match(text)
        if begun is None:
            return None
        login, at, rest = text[begun.end() :].rpartition("@")
        return cls(begun[1].lower(), login if at else None, rest)

    @property
    def is_encoded(self) -> bool:
        """Whether no character of the login has to be percent-encoded."""
        if self.login is None:
            return True
        return _UNENCODED.search(self.login) is None

    @property
    def is_clear(self) -> bool:
        """Whether the address can be read in one way only.

        By RFC 3986 the host ends at the first of `/?#`. If one of these stands before the last `@`,
        it belongs to the login only if the text before it cannot be a host.
        """
        if self.login is None:
            return True
        first = re.split("[/?#]", self.login, maxsplit=1)
        if len(first) == 1:
            return True
        could_be_host = "@" in first[0] or not first[0] or _HOST.fullmatch(first[0]) is not None
        return not could_be_host and _HOST.match(self.rest) is not None

    def encoded(self) -> str:
        """Percent-encode the login, if the address can be read in one way only.

        A character that is already encoded stays as it is. FFmpeg decodes the login
        (libavformat/httpauth.c).

        Returns:
            The whole address; unchanged if it can be read in two ways.
        """
        if self.login is None or not self.is_clear:
            login = "" if self.login is None else f"{self.login}@"
            return f"{self.scheme}://{login}{self.rest}"
        user, colon, password = self.login.partition(":")
        return f"{self.scheme}://{encoded(user)}{colon}{encoded(password)}@{self.rest}"


def redacted(text: str) -> str:
    """Redact an address for people and logs.

    Everything between `://` and the last `@` is a secret. So is each parameter after the host that
    is not known to be harmless, because cameras accept `?user=admin&password=…` as well.

    Args:
        text: An address, or any other text.

    Returns:
        The address without its secrets; a text that is no address is returned unchanged.
    """
    if _DEVICE.fullmatch(text):
        return text
    address = Address.cut(text)
    if address is None:
        # Somebody may have forgotten the `rtsp://`. A path with a colon before an `@` is rare.
        login, at, rest = text.rpartition("@")
        if at and ":" in login and not text.startswith(("/", ".", "~")):
            return f"{REDACTED}@{_without_parameters(rest)}"
        return text
    if address.login is not None and "=" in address.login and not address.is_clear:
        # The last `@` may stand in a parameter, and a part of a password may follow it.
        return f"{address.scheme}://{REDACTED}"
    login = "" if address.login is None else f"{REDACTED}@"
    return f"{address.scheme}://{login}{_without_parameters(address.rest)}"


def redacted_in(text: str) -> str:
    """Redact every address in a text, such as an error message.

    A password may hold spaces. So in each line the text from the first `://` to the last `@` counts
    as one login.

    Args:
        text: Any text of one or more lines.

    Returns:
        The text without the secrets of its addresses.
    """
    if ":" not in text:
        return text
    text = _IN_TEXT.sub(lambda found: redacted(found[0]), text)
    text = _BARE.sub(lambda found: redacted(found[0]), text)
    return _WORD.sub(lambda found: redacted(found[0]), text)


def _without_parameters(rest: str) -> str:
    host = _HOST.match(rest)
    if host is None or not _AFTER_HOST.match(rest, host.end()):
        return REDACTED if rest else ""
    tail, hashed, _ = rest[host.end() :].partition("#")
    path, asked, query = tail.partition("?")
    # Some cameras accept `/user=admin&password=…&channel=1` as a path.
    plain, equals, _ = path.partition("=")
    shown = host[0] + plain + (f"={REDACTED}" if equals else "")
    if asked:
        # A raw `?` in a password of the path ends the path, and the password goes on in the query.
        after_secret = bool(equals)
        parameters = []
        for text, may_be_shown in parameters_in(query, after_secret=after_secret):
            parameters.append(
                text if may_be_shown else _name_alone(text, after_secret=after_secret)
            )
            after_secret = after_secret or not may_be_shown
        shown += "?" + "&".join(parameters)
    return shown + (f"#{REDACTED}" if hashed else "")


def parameters_in(rest: str, *, after_secret: bool = False) -> list[tuple[str, bool]]:
    """Split a query into its parameters, and decide which of them may be shown.

    The value of a secret parameter may hold a raw `&`. So after the first secret parameter only
    well-known harmless ones are shown.

    Args:
        rest: The query.
        after_secret: Whether a secret stands before the query already.

    Returns:
        Each parameter, with True if it may be shown.
    """
    found: list[tuple[str, bool]] = []
    hidden = after_secret
    for text in _PARAMETERS.split(rest):
        plain = _HARMLESS.fullmatch(text) or (
            not hidden and _SHORT.fullmatch(text) and not _TELLING.search(text)
        )
        hidden = hidden or not plain
        found.append((text, bool(plain)))
    return found


def _name_alone(text: str, *, after_secret: bool) -> str:
    """Redact a parameter, and keep its name unless the name may be a part of a password.

    After a secret parameter an unknown name may belong to a raw password such as `a;b=c`.

    Args:
        text: The parameter.
        after_secret: Whether a secret stands before it.

    Returns:
        The name with its value redacted, or the mark of a secret alone.
    """
    name, equals, _ = text.partition("=")
    is_name = (_SECRET_NAME if after_secret else _ANY_NAME).fullmatch(name)
    return f"{name}={REDACTED}" if equals and is_name else REDACTED


def encoded(text: str) -> str:
    """Percent-encode all but RFC 3986's unreserved characters and escapes such as `%23`."""
    return "".join(
        part if re.fullmatch("%[0-9A-Fa-f]{2}", part) else quote(part, safe="")
        for part in re.split("(%[0-9A-Fa-f]{2})", text)
    )
