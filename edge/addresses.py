"""Addresses with credentials: shown without them, and handed to FFmpeg in a form that it reads."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

REDACTED: Final = "…"
"""Stands where something secret stood."""

HOW_TO_ENCODE: Final = (
    "Percent-encode the user name and the password of the address: # is %23, / is %2F, ? is %3F,"
    " @ is %40, : is %3A, % is %25, [ is %5B, ] is %5D, a space is %20"
)
"""The reserved characters of RFC 3986 section 2.2 that cut an address, and `%` itself."""

_SCHEME: Final = re.compile(r"\s*([A-Za-z][A-Za-z0-9+.-]+):/+")
# pathlib makes one slash of two, so an address that was taken for a path has one.
_IN_TEXT: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,30}:/+[^\r\n]*@")
_BARE: Final = re.compile(r"[^\s/:@'\"(]{1,80}:[^\s/]\S*@")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,30}:/+\S+")
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
"""Parameters of cameras' addresses that are shown, whatever stands before them."""

_UNENCODED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})|[/?#\[\]@\s]")


@dataclass(frozen=True, slots=True)
class Address:
    """An address, cut at its last `@`.

    Attributes:
        scheme: In small letters.
        login: User name and password as they were written; None without an `@`.
        rest: Host, port, path, query and fragment.
    """

    scheme: str
    login: str | None
    rest: str

    @classmethod
    def cut(cls, text: str) -> "Address | None":
        """Cut an address; None where the text has no `scheme://`."""
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

        By RFC 3986 the host ends at the first of `/?#`. Where one of these stands before the last
        `@`, it belongs to the login only if what comes before it cannot be a host.
        """
        if self.login is None:
            return True
        first = re.split("[/?#]", self.login, maxsplit=1)
        if len(first) == 1:
            return True
        could_be_host = "@" in first[0] or not first[0] or _HOST.fullmatch(first[0]) is not None
        return not could_be_host and _HOST.match(self.rest) is not None

    def encoded(self) -> str:
        """The address with its login percent-encoded, where it can be read in one way only.

        What is encoded already stays as it is. FFmpeg decodes the login (libavformat/httpauth.c).
        """
        if self.login is None or not self.is_clear:
            login = "" if self.login is None else f"{self.login}@"
            return f"{self.scheme}://{login}{self.rest}"
        user, colon, password = self.login.partition(":")
        return f"{self.scheme}://{encoded(user)}{colon}{encoded(password)}@{self.rest}"


def redacted(text: str) -> str:
    """An address as people and logs may see it; what is no address stays as it is.

    All between `://` and the last `@` is masked, and in what follows the host every parameter that
    is not known to be harmless: cameras take `?user=admin&password=…` as well.
    """
    address = Address.cut(text)
    if address is None:
        # Somebody forgot the `rtsp://`. Paths that hold a colon before an `@` are rare.
        login, at, rest = text.rpartition("@")
        if at and ":" in login and not text.startswith(("/", ".", "~")):
            return f"{REDACTED}@{_without_parameters(rest)}"
        return text
    if address.login is not None and "=" in address.login and not address.is_clear:
        # The last `@` may stand in a parameter, and a piece of a password after it.
        return f"{address.scheme}://{REDACTED}"
    login = "" if address.login is None else f"{REDACTED}@"
    return f"{address.scheme}://{login}{_without_parameters(address.rest)}"


def redacted_in(text: str) -> str:
    """A text for people in which every address is masked, such as the error of a command line.

    A password may hold spaces, so of each line all is masked from the first `://` to the last `@`.
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
    # Some cameras take `/user=admin&password=…&channel=1` as a path.
    plain, equals, _ = path.partition("=")
    shown = host[0] + plain + (f"={REDACTED}" if equals else "")
    if asked:
        # A raw `?` in a password of the path ends the path, and the password goes on in the query.
        parameters = parameters_in(query, after_secret=bool(equals))
        shown += "?" + "&".join(_parameter(*each) for each in parameters)
    return shown + (f"#{REDACTED}" if hashed else "")


def parameters_in(rest: str, *, after_secret: bool = False) -> list[tuple[str, bool]]:
    """The parameters of a query, each with whether it may be shown.

    A value may hold a raw `&`, so after the first that is secret only well-known ones are shown.
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


def _parameter(text: str, shown: bool) -> str:
    if shown:
        return text
    name, equals, _ = text.partition("=")
    return f"{name}={REDACTED}" if equals and re.fullmatch(r"\w{1,20}", name) else REDACTED


def encoded(text: str) -> str:
    """Percent-encode all but RFC 3986's unreserved characters and what is encoded already."""
    return "".join(
        part if re.fullmatch("%[0-9A-Fa-f]{2}", part) else quote(part, safe="")
        for part in re.split("(%[0-9A-Fa-f]{2})", text)
    )
