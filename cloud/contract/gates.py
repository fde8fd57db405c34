"""Gates and their subscribers."""

from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, StringConstraints

from cloud.contract.base import Boolean, GateId, Integer, UtcTime, Wire
from cloud.contract.text import KeptName, Name, Readable, Reason


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(
            "give a time zone as the IANA database names it, such as Europe/Madrid"
        ) from error
    return name


TimeZoneName = Annotated[
    str, StringConstraints(min_length=1, max_length=64), AfterValidator(_known_zone)
]
PassLifetime = Annotated[Integer, Field(ge=10, le=86_400)]


class NewGate(Wire):
    id: GateId
    name: Name
    pass_lifetime_s: PassLifetime | None = Field(
        default=None,
        description="Seconds from a pass's making to its expiry; unset: CLOUD_PASS_LIFETIME_S",
    )
    time_zone: TimeZoneName | None = Field(
        default=None,
        description="In which mails and messages about the gate tell times (an IANA name); unset: "
        "CLOUD_TIME_ZONE",
    )


class Gate(NewGate):
    name: KeptName
    time_zone: str | None = Field(
        default=None,
        description="In which mails and messages about the gate tell times; unset: CLOUD_TIME_ZONE",
    )
    created_at: UtcTime
    closed: Boolean = Field(
        default=False,
        description="While it is closed nobody is admitted, and no passes are made",
    )
    closed_at: UtcTime | None = Field(
        default=None, description="Since when it is closed; absent where that was not kept"
    )
    closed_reason: str = Field(
        default="", description="Why it is closed, as those who wait there are told"
    )


class GateChange(Wire):
    """Changes to a gate; a field that is left out stays as it is."""

    name: Name | None = None
    closed: Boolean | None = None
    pass_lifetime_s: PassLifetime | None = None
    time_zone: TimeZoneName | None = Field(default=None, description="null: CLOUD_TIME_ZONE")
    reason: Reason = Field(
        default="",
        description="Why, for the audit trail. Where it closes the gate, those who wait there are "
        "told it too",
    )


class Channel(StrEnum):
    """How a subscriber is reached."""

    TELEGRAM = "telegram"
    EMAIL = "email"
    WEBHOOK = "webhook"


class Topic(StrEnum):
    """The kinds of messages that a subscriber can get."""

    PASS = "pass"
    REFUSAL = "refusal"
    REDEMPTION = "redemption"
    """A pass was redeemed, or a redemption was undone. Only webhooks get this."""

    GATE = "gate"
    """The gate was closed or opened. Only webhooks get this."""

    DEVICE = "device"
    """A device fell silent, or is back. Chats and mail addresses get this in any case."""


Topics = Annotated[list[Topic], Field(min_length=1, max_length=len(Topic))]


class Language(StrEnum):
    """The language of messages to people (ISO 639-1)."""

    EN = "en"
    ES = "es"


TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class QuietHours(Wire):
    """The time of each day in which a subscriber gets no messages. 22:00 to 07:00 spans midnight.

    Alerts by mail wait and come as one mail when they end; those in Telegram come without a
    sound. Passes and webhooks take no notice.
    """

    start: TimeOfDay
    end: TimeOfDay
    timezone: TimeZoneName = "UTC"


class NewSubscriber(Wire):
    channel: Channel
    address: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), Readable
    ] = Field(description="A Telegram chat id, an e-mail address, or the URL of a webhook")
    topics: Topics = Field(
        default=[Topic.PASS, Topic.REFUSAL],
        description="What it is told of. `redemption` and `gate` are for webhooks alone; chats and "
        "mailboxes are told of silent devices in any case. No pass goes by mail",
    )
    language: Language = Language.EN
    quiet_hours: QuietHours | None = None
    cooldown_s: Integer | None = Field(
        default=None,
        ge=0,
        le=86_400,
        description="Least seconds from one mail to the next; what comes in between is summed up "
        "in one. Unset: CLOUD_MAIL_COOLDOWN_S",
    )


class Subscriber(NewSubscriber):
    address: str = Field(
        description="A Telegram chat id, an e-mail address, or the URL of a webhook"
    )
    id: str
    gate: GateId
    created_at: UtcTime
    suspended_at: UtcTime | None = Field(
        default=None,
        description="Since when nothing is sent to it, because what was sent was refused for good",
    )
    suspended_reason: str = Field(default="", description="What its side answered last")


class SubscriberChange(Wire):
    """Changes to a subscriber; a field that is left out stays as it is.

    Its channel and address are who it is: for another, make another.
    """

    topics: Topics | None = None
    language: Language | None = None
    quiet_hours: QuietHours | None = Field(default=None, description="null: at no time")
    cooldown_s: Integer | None = Field(
        default=None, ge=0, le=86_400, description="null: CLOUD_MAIL_COOLDOWN_S"
    )
    suspended: Boolean | None = Field(
        default=None,
        description="`false` takes a suspended subscriber up again, `true` sends it nothing more",
    )


class IssuedSubscriber(Subscriber):
    """The only answer that shows a webhook's secret."""

    secret: str | None = Field(
        default=None, description="What a webhook's bodies are signed with (Standard Webhooks)"
    )


class RolledSecret(Wire):
    """A webhook's new secret, shown once.

    Until `old_secret_expires_at`, bodies are signed with the old secret too.
    """

    secret: str = Field(repr=False)
    old_secret_expires_at: UtcTime
