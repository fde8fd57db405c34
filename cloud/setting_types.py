"""Types of settings' values: what is checked of each value, and how it is read from text."""

import ipaddress
import re
from enum import StrEnum
from typing import Annotated, Any, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, SecretStr

from cloud import addresses
from cloud.contract.signed_passes import from_base64url


class SmtpSecurity(StrEnum):
    """How the connection to the mail server is kept private."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class RedisFsync(StrEnum):
    """When a Redis that we start has what it answered for on its disk."""

    ALWAYS = "always"
    """Before it answers."""

    EVERYSEC = "everysec"
    """Within about two seconds. Some of it is lost with the power, and also where the process is
    killed while the disk is busy: meanwhile Redis keeps what it has answered for in its memory."""


class LogLevel(StrEnum):
    """The least level that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _none_if_empty(value: Any) -> Any:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return None if text == "" else value


def _split_at_commas(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _redis_address(value: SecretStr) -> SecretStr:
    return SecretStr(addresses.checked(value.get_secret_value()))


def _http_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("give a whole address that starts with http:// or https://")
    return value.rstrip("/")


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or f"{parts.scheme}://{parts.netloc}" != value:
        raise ValueError(
            f"{addresses.masked(value)} is not an origin: give https://host or "
            "https://host:port, with no path; a star is not taken, name each site"
        )
    return value


def _network(value: str) -> str:
    try:
        ipaddress.ip_network(value)
    except ValueError as error:
        raise ValueError(
            f"{addresses.masked(value)} is neither an address nor a network such as 10.0.0.0/8"
        ) from error
    return value


def _rate(value: str) -> str:
    # Imported here, since every command reads the settings and few limit anything.
    import limits  # noqa: PLC0415

    try:
        limits.parse(value)
    except ValueError as error:
        raise ValueError(f"{value} is not a rate; write it as 6000 per minute") from error
    return value


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{value!r} is not the IANA name of a time zone") from error
    return value


def _webhook_secret(value: SecretStr) -> SecretStr:
    # https://core.telegram.org/bots/api#setwebhook
    if not re.fullmatch("[A-Za-z0-9_-]{1,256}", value.get_secret_value()):
        raise ValueError("give 1 to 256 letters, digits, _ and -")
    return value


def _signing_key(value: SecretStr) -> SecretStr:
    try:
        from_base64url(value.get_secret_value())
    except ValueError as error:
        raise ValueError(
            "it is no signing key; `python -m cloud signing-keys create` makes one"
        ) from error
    return value


EmptyIsUnset: Final = BeforeValidator(_none_if_empty)
"""An empty variable counts as one that is not set."""

CommaSeparated: Final = BeforeValidator(_split_at_commas)

RedisAddress = Annotated[SecretStr, AfterValidator(_redis_address)]
HttpAddress = Annotated[str, AfterValidator(_http_address)]
"""An address without the slash at its end."""

Origin = Annotated[str, AfterValidator(_origin)]
"""The origin of a page, as browsers send it (RFC 6454)."""

Network = Annotated[str, AfterValidator(_network)]
"""An IP address or a network in CIDR notation."""

Rate = Annotated[str, AfterValidator(_rate)]
"""A rate in the notation of the library `limits`."""

TimeZone = Annotated[str, AfterValidator(_time_zone)]
WebhookSecret = Annotated[SecretStr, AfterValidator(_webhook_secret)]
"""The secret token of a Telegram webhook."""

SigningKey = Annotated[SecretStr, AfterValidator(_signing_key)]
"""An Ed25519 private key: 32 bytes in base64url."""
