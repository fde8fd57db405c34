"""Addresses of Redis: one server, or a service whose master is asked of its sentinels.

    redis://user:password@host:6379/0
    redis+sentinel://user:password@sentinel-1:26379,sentinel-2:26379/service/0?sentinel_password=…

With `rediss` for TLS. What follows the question mark is for redis-py, but for `sentinel_username`
and `sentinel_password`: the name and the password before the hosts are those of the data.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

PLAIN: Final = ("redis://", "rediss://", "unix://")
WATCHED: Final = ("redis+sentinel://", "rediss+sentinel://")
SENTINEL_PORT: Final = 26_379
FORM: Final = "redis+sentinel://host:26379,host:26379/service/0"
_OF_SENTINELS: Final = ("sentinel_username", "sentinel_password")


@dataclass(frozen=True, slots=True)
class Service:
    """A master that sentinels know by name.

    Args:
        sentinels: hosts and ports.
        name: what the sentinels call it.
        example: address of one server with all else that was said; the host is not the master's.
        logins: keyword arguments that redis-py takes for the sentinels themselves.
    """

    sentinels: tuple[tuple[str, int], ...]
    name: str
    example: str = field(repr=False)
    logins: dict[str, str] = field(repr=False)

    @classmethod
    def read(cls, address: str) -> "Service | None":
        """Return the service that an address names; None where it is that of one server.

        Raises ValueError where it begins as that of a service and goes on differently.
        """
        if not address.startswith(WATCHED):
            return None
        # Newer releases of Python take a list of hosts with brackets in it for a broken address.
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
    """Return an address of Redis; raise ValueError where it is none."""
    if Service.read(address) is None and not address.startswith(PLAIN):
        raise ValueError(
            "give an address that starts with redis://, rediss:// or unix://, or that of a service "
            f"with sentinels: {FORM}"
        )
    return address


def secrets_in(address: str) -> list[str]:
    """Return the passwords that an address holds, as they are written there and as they are."""
    service = Service.read(address)
    parts = urlsplit(service.example if service else address)
    held = [parts.password, *([service.logins.get("password")] if service else [])]
    return [text for secret in held if secret for text in {secret, unquote(secret)}]


def _host(text: str) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    try:
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"a sentinel's port is no port: {FORM}") from error
    if not host:
        raise ValueError(f"a sentinel has no host: {FORM}")
    return host, port or SENTINEL_PORT
