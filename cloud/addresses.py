"""Addresses of Redis: one server, or a service whose sentinels name its master.

    redis://user:password@host:6379/0
    redis+sentinel://user:password@sentinel-1:26379,sentinel-2:26379/service/0?sentinel_password=…

`rediss` means TLS. The parameters after the question mark are redis-py's, except for
`sentinel_username` and `sentinel_password`. The name and the password before the hosts are those of
the data.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

PLAIN: Final = ("redis://", "rediss://", "unix://")
WATCHED: Final = ("redis+sentinel://", "rediss+sentinel://")
SENTINEL_PORT: Final = 26_379
FORM: Final = "redis+sentinel://host:26379,host:26379/service/0"
HOW_TO_ENCODE: Final = (
    "Percent-encode the name and the password in the address: # is %23, / is %2F, ? is %3F, @ is "
    "%40, : is %3A, % is %25, [ is %5B, ] is %5D, a space is %20"
)
_PARAMETERS: Final = re.compile(r"\?\w+=")
_PLACE: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:,\[\]]+)(?::\d+)?(?:,\S*)?")
_OF_SENTINELS: Final = ("sentinel_username", "sentinel_password")


@dataclass(frozen=True, slots=True)
class Service:
    """A master that sentinels know by name.

    Args:
        sentinels: hosts and ports.
        name: the service's name, as the sentinels know it.
        example: an address with the same scheme, login, database and parameters; its host is a
            placeholder.
        logins: redis-py's keyword arguments for connections to the sentinels.
    """

    sentinels: tuple[tuple[str, int], ...]
    name: str
    example: str = field(repr=False)
    logins: dict[str, str] = field(repr=False)

    @classmethod
    def read(cls, address: str) -> "Service | None":
        """Return the service that an address names.

        Args:
            address: of Redis.

        Returns:
            The service; None for the address of one server.

        Raises:
            ValueError: the address begins as that of a service, and does not go on so.
        """
        if not address.startswith(WATCHED):
            return None
        # Newer releases of Python refuse a list of hosts with brackets in it.
        scheme, _, rest = address.partition("://")
        place = re.split("[/?#]", rest, maxsplit=1)[0]
        login, at, hosts = place.rpartition("@")
        parts = urlsplit(f"{scheme}://{login}{at}master{rest.removeprefix(place)}")
        name, _, database = parts.path.removeprefix("/").partition("/")
        if not name or not hosts or (database and not database.isdecimal()):
            raise ValueError(f"give the hosts of sentinels and the service's name: {FORM}")
        sentinels = tuple(_host(each) for each in hosts.split(","))
        said = parse_qsl(parts.query)
        example = f"{parts.scheme.removesuffix('+sentinel')}://{login}{at}master/{database or 0}"
        rest = urlencode([(key, value) for key, value in said if key not in _OF_SENTINELS])
        return cls(
            sentinels,
            unquote(name),
            f"{example}?{rest}" if rest else example,
            {key.removeprefix("sentinel_"): value for key, value in said if key in _OF_SENTINELS},
        )


def checked(address: str) -> str:
    """Return an address of Redis with its login percent-encoded.

    Args:
        address: as a person wrote it.

    Returns:
        The address.

    Raises:
        ValueError: the address is not usable, or can be read in two ways. The text quotes no part
            of it.
    """
    scheme, found, rest = address.partition("://")
    address = f"{scheme.lower()}{found}{rest}"
    if not address.startswith((*PLAIN, *WATCHED)):
        raise ValueError(
            "give an address that starts with redis://, rediss:// or unix://, or that of a service "
            f"with sentinels: {FORM}"
        )
    address = encoded(address)
    if Service.read(address) is None and not address.startswith("unix://"):
        try:
            _ = urlsplit(address).port
        except ValueError:
            raise ValueError(f"its host or port is not usable. {HOW_TO_ENCODE}") from None
    return address


def encoded(address: str) -> str:
    """Return an address whose login is percent-encoded; encoded characters stay as they are.

    By RFC 3986 section 3.2 the host ends at the first of `/?#`. Where the password holds one of
    these, the address is read as its writer meant it, unless the part before could be a host.

    Args:
        address: as a person wrote it.

    Returns:
        The address.

    Raises:
        ValueError: the address can be read in two ways.
    """
    scheme, _, rest = address.partition("://")
    if scheme == "unix":
        return address
    place = re.split("[/?#]", rest, maxsplit=1)[0]
    # An `@` may stand in the value of a parameter.
    parameters = _PARAMETERS.search(rest)
    plain = rest[: parameters.start()] if parameters else rest
    if "@" in plain.removeprefix(place):
        if "@" in place or _PLACE.fullmatch(place):
            raise ValueError(f"it can be read in two ways. {HOW_TO_ENCODE}")
        login, at, hosts = plain.rpartition("@")
    else:
        login, at, hosts = place.rpartition("@")
        hosts += plain.removeprefix(place)
    user, colon, password = login.partition(":")
    tail = rest[len(plain) :]
    return f"{scheme}://{_quoted(user)}{colon}{_quoted(password)}{at}{hosts}{tail}"


def is_readable(address: str) -> bool:
    """Return whether an address of a proxy has a host, and no unencoded `/?#` before it."""
    _, found, rest = address.partition("://")
    rest = rest if found else address
    place = re.split("[/?#]", rest, maxsplit=1)[0]
    try:
        parts = urlsplit(f"//{place}")
        _ = parts.port
    except ValueError:
        return False
    return bool(parts.hostname) and "@" not in rest.removeprefix(place)


def masked(address: str) -> str:
    """Return an address that people may see: without the part before its last `@`."""
    scheme, found, rest = address.partition("://")
    if "@" not in address:
        return address
    return f"{scheme}://…@{rest.rpartition('@')[2]}" if found else f"…@{address.rpartition('@')[2]}"


def secrets_in(address: str) -> list[str]:
    """Return the passwords in an address, both as written and decoded.

    Args:
        address: of anything, such as of a proxy; it may be malformed.

    Returns:
        The passwords, and pieces of them.
    """
    _, _, rest = address.partition("://")
    parameters = _PARAMETERS.search(rest)
    login = (rest[: parameters.start()] if parameters else rest).rpartition("@")[0]
    held = [login.partition(":")[2]]
    if parameters:
        said = parse_qsl(rest[parameters.start() + 1 :])
        held += [value for name, value in said if "password" in name]
    forms = dict.fromkeys(
        form
        for secret in held
        # A reader that splits an address in the wrong place quotes a piece of the password.
        for form in (secret, unquote(secret), _quoted(secret), *re.split("[/?#@:]", secret))
        if form
    )
    return list(forms)


def _quoted(text: str) -> str:
    parts = re.split("(%[0-9A-Fa-f]{2})", text)
    return "".join(
        part if number % 2 else quote(part, safe="") for number, part in enumerate(parts)
    )


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"the port of a sentinel is no port: {FORM}") from error
    if not host:
        raise ValueError(f"a sentinel has no host: {FORM}")
    return host, port or SENTINEL_PORT
