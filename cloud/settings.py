"""Settings of every cloud process, read from the environment once, at start."""

import os
from pathlib import Path
from typing import Annotated, Self
from urllib.request import getproxies

from pydantic import DirectoryPath, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from cloud import addresses
from cloud.setting_types import (
    CommaSeparated,
    EmptyIsUnset,
    HttpAddress,
    LogLevel,
    Network,
    Origin,
    Rate,
    RedisAddress,
    RedisFsync,
    SigningKey,
    SmtpSecurity,
    TimeZone,
    WebhookSecret,
)

__all__ = ["LogLevel", "RedisFsync", "Settings", "SmtpSecurity", "load"]


class Settings(BaseSettings):
    """What a process of the cloud is told from outside. A bad value stops it at start."""

    model_config = SettingsConfigDict(
        env_prefix="CLOUD_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    secrets_dir: Annotated[DirectoryPath | None, EmptyIsUnset] = Field(
        default=None,
        description="Folder of settings in files, each called as its variable in small letters, "
        "such as cloud_redis_url; a variable that is set wins",
    )
    redis_url: RedisAddress = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"),
        description="The Redis that keeps everything; rediss:// for TLS, redis+sentinel:// for a "
        "service with sentinels",
    )
    queue_url: Annotated[RedisAddress | None, EmptyIsUnset] = Field(
        default=None,
        description="The Redis of the job queue, the same for API, bot and workers; unset means "
        "the same as CLOUD_REDIS_URL. With another, workers carry jobs over to it",
    )
    redis_dir: Path = Field(
        default=Path("var/redis"),
        description="Where `python -m cloud redis` keeps its append-only file",
    )
    redis_fsync: RedisFsync = Field(
        default=RedisFsync.ALWAYS,
        description="When `python -m cloud redis` has on its disk what it answered for: always "
        "(before it answers) or everysec (soon; faster, and a crash may lose it)",
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address that the API listens on; 0.0.0.0 is every address of IPv4, and :: "
        "every one of IPv6 and IPv4",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="Port that the API listens on")
    public_url: Annotated[HttpAddress | None, EmptyIsUnset] = Field(
        default=None,
        description="Address of the API as people's phones reach it; QR codes then hold "
        "<public_url>/p/<token>, otherwise the bare token",
    )
    pass_signing_key: Annotated[SigningKey | None, EmptyIsUnset] = Field(
        default=None,
        description="Private key that signs passes, as `python -m cloud signing-keys create` "
        "prints it; doors with the public key can then admit while the cloud is away. Unset means "
        "that passes are not signed",
    )
    max_body_bytes: int = Field(
        default=64 * 1024, ge=1024, description="Largest request body that is read"
    )
    max_header_bytes: int = Field(
        default=16 * 1024,
        ge=4096,
        le=256 * 1024,
        description="Largest request line and header fields together; half of it is the longest "
        "request target",
    )
    max_connections: int = Field(
        default=1000,
        ge=10,
        le=100_000,
        description="Connections that one process of the API holds. Past it, the one that has "
        "waited longest for a request makes room",
    )
    request_timeout_s: float = Field(
        default=10,
        gt=0,
        le=600,
        description="Seconds in which the head of a request must arrive, and in which some of its "
        "body must follow",
    )
    unread_timeout_s: float = Field(
        default=30,
        gt=0,
        le=3600,
        description="Seconds after which a client that reads nothing of its answer is cut off",
    )
    pass_lifetime_s: int = Field(
        default=300, ge=10, le=86_400, description="Seconds from a pass's making to its expiry"
    )
    cors_origins: Annotated[tuple[Origin, ...], NoDecode, CommaSeparated] = Field(
        default=(),
        description="Origins whose pages may call the API from a browser, with commas between "
        "them; none by default",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, CommaSeparated] = Field(
        default=(),
        description="Addresses or networks of proxies whose X-Forwarded-For is believed, with "
        "commas between them; none by default",
    )
    key_rate: Annotated[Rate | None, EmptyIsUnset] = Field(
        default="6000 per minute",
        description="Requests with one key that one process of the API serves; empty for no limit",
    )
    address_rate: Annotated[Rate | None, EmptyIsUnset] = Field(
        default="12000 per minute",
        description="Requests from one address that one process of the API serves; empty for no "
        "limit",
    )
    session_idle_s: int = Field(
        default=1800,
        ge=60,
        le=86_400,
        description="Seconds without a request after which a person is signed out",
    )
    session_lifetime_s: int = Field(
        default=43_200,
        ge=300,
        le=2_592_000,
        description="Seconds after which a person is signed out, however busy",
    )
    key_overlap_s: int = Field(
        default=86_400,
        ge=60,
        le=2_592_000,
        description="Seconds that a device's old key is good after a new one was made, unless the "
        "new one is used before",
    )
    offline_after_s: int = Field(
        default=60,
        ge=10,
        le=86_400,
        description="Seconds without a heartbeat after which a device counts as offline, and its "
        "gate's subscribers are told",
    )
    preview_max_bytes: int = Field(
        default=256 * 1024, ge=1024, le=8 * 1024 * 1024, description="Largest preview picture"
    )
    preview_max_pixels: int = Field(
        default=1280 * 720, ge=64 * 64, le=7680 * 4320, description="Most pixels of a preview"
    )
    preview_viewers: int = Field(
        default=4, ge=1, le=100, description="People who may watch one gate at a time"
    )
    model_max_bytes: int = Field(
        default=8 * 1024 * 1024,
        ge=1024,
        le=64 * 1024 * 1024,
        description="Largest model package; the store keeps ten in memory at most",
    )
    enrolment_code_lifetime_s: int = Field(
        default=3600, ge=60, le=604_800, description="Seconds that an enrolment code may be used"
    )
    retention_days: int = Field(
        default=30,
        ge=1,
        le=3650,
        description="Days that events, passes (never their tokens), redemption attempts and "
        "deliveries are kept",
    )
    audit_days: int = Field(
        default=365, ge=1, le=3650, description="Days that the audit trail is kept"
    )
    time_zone: TimeZone = Field(
        default="UTC",
        description="Whose days statistics are kept in past the retention, and are read in unless "
        "a reader names another; and in which mails and messages tell times, at gates without a "
        "zone of their own: an IANA name, such as Europe/Madrid",
    )
    stream_listeners: int = Field(
        default=100,
        ge=0,
        le=10_000,
        description="How many may listen to the event stream of one API process",
    )
    stream_lifetime_s: float = Field(
        default=300,
        gt=0,
        le=86_400,
        description="Seconds after which a listener must come back, so that its key is checked",
    )
    metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port at which a worker, the bot or `backup --schedule` serves its metrics, on "
        "CLOUD_HOST; unset means nowhere. The API serves its own at /metrics",
    )
    metrics_devices: int = Field(
        default=500,
        ge=0,
        le=100_000,
        description="How many devices the API's metrics name, the first enrolled first; one has "
        "up to 10 time series in each process of the API",
    )
    telegram_token: Annotated[SecretStr | None, EmptyIsUnset] = Field(
        default=None,
        description="Token of the Telegram bot; unset means that nothing goes to Telegram, and "
        "deliveries are kept as undelivered_by_choice",
    )
    telegram_api_url: HttpAddress = Field(
        default="https://api.telegram.org/bot",
        description="Bot API, up to where the token follows",
    )
    telegram_per_second: int = Field(
        default=30,
        ge=2,
        le=1000,
        description="Messages a second that Telegram takes from the bot: 30, and up to 1000 for "
        "a bot with paid broadcasts",
    )
    telegram_webhook_secret: Annotated[WebhookSecret | None, EmptyIsUnset] = Field(
        default=None,
        description="With CLOUD_PUBLIC_URL: updates come to <public_url>/telegram with this "
        "secret, 1 to 256 letters, digits, _ and -, instead of by long polling",
    )
    telegram_webhook_port: int = Field(
        default=8443,
        ge=1,
        le=65535,
        description="Port that the bot listens on (at CLOUD_HOST) where it has a webhook",
    )
    visitor_wait_s: int = Field(
        default=600,
        ge=30,
        le=86_400,
        description="Seconds that a visitor waits at a gate for a pass",
    )
    pairing_code_lifetime_s: int = Field(
        default=900,
        ge=60,
        le=86_400,
        description="Seconds that a code which makes a chat an operator or a guard may be used",
    )
    webhook_private_addresses: bool = Field(
        default=False,
        description="Call webhooks in private networks too, and over plain http",
    )
    mail_cooldown_s: int = Field(
        default=300,
        ge=0,
        le=86_400,
        description="Least seconds from one mail about a gate to the next to the same address; "
        "what comes in between goes out as one mail",
    )
    smtp_host: Annotated[str | None, EmptyIsUnset] = Field(
        default=None,
        description="Mail server; unset means that no mail is sent, and deliveries are kept as "
        "undelivered_by_choice",
    )
    smtp_port: int = Field(default=587, ge=1, le=65535, description="Port of the mail server")
    smtp_security: SmtpSecurity = Field(
        default=SmtpSecurity.STARTTLS, description="starttls, tls or none"
    )
    smtp_username: Annotated[str | None, EmptyIsUnset] = Field(
        default=None, description="Name to log in with, if any"
    )
    smtp_password: Annotated[SecretStr | None, EmptyIsUnset] = Field(
        default=None, description="Password to log in with"
    )
    smtp_sender: str = Field(
        default="maskgate@localhost", description="Address that mails are sent from"
    )
    log_level: LogLevel = Field(default=LogLevel.INFO, description="debug, info, warning or error")

    @model_validator(mode="after")
    def _webhook_has_an_address(self) -> Self:
        if self.telegram_webhook_secret is not None and self.public_url is None:
            raise ValueError(
                "telegram_webhook_secret needs CLOUD_PUBLIC_URL, where Telegram sends updates; "
                "unset it for long polling"
            )
        return self

    @model_validator(mode="after")
    def _proxies_are_readable(self) -> Self:
        # Requests to Telegram go through these proxies, and httpx quotes an address that it cannot
        # read, with a part of its password.
        proxies = getproxies()
        of_telegram = [proxies[kind] for kind in ("http", "https", "all") if proxies.get(kind)]
        if self.telegram_token and not all(map(addresses.is_readable, of_telegram)):
            raise ValueError(
                "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY is no address of a proxy. "
                + addresses.HOW_TO_ENCODE
            )
        return self

    @property
    def public_over_tls(self) -> bool:
        """Whether browsers reach the API over https."""
        return self.public_url is not None and self.public_url.startswith("https://")


def load() -> Settings:
    """Return the settings: of variables, and of the files in CLOUD_SECRETS_DIR.

    Raises:
        pydantic.ValidationError: A value is not usable.
        OSError: A file in CLOUD_SECRETS_DIR cannot be read.
    """
    # The folder is a setting too. pydantic-settings only warns of a folder that is missing, so
    # such a folder is left to the field `secrets_dir`, which refuses it.
    folder = Path(os.environ.get("CLOUD_SECRETS_DIR") or os.devnull)
    return Settings(_secrets_dir=folder if folder.is_dir() else None)
