"""The table of channels: all that the cloud has to know of a way to reach subscribers.

A new channel is a member of `Channel` in the contract, a notifier in a module of its own, and a row
of `CHANNELS`. Libraries of a channel are imported when its notifier is made, since the API and the
commands read this table as well.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final

from cloud.contract import Access, Channel, Topic
from cloud.notify.base import Notifier
from cloud.notify.recipients import check_chat, check_mailbox
from cloud.settings import Settings

SOON_S: Final = (1, 2, 5, 15, 30, 60, 120, 300)
"""Seconds to wait after each try that failed: nine tries in 8 min 53 s."""

GREYLISTED_S: Final = (5, 30, 120, 300, 600, 1_200, 1_800, 3_600, 7_200)
"""The same for mail: ten tries in a little over four hours. A server puts off the first mail of a
sender that it does not know, mostly for minutes and at times for hours (RFC 6647 section 4.1), and
wants the same mail again after half an hour (RFC 5321 section 4.5.4.1)."""


class QueueName(StrEnum):
    """The queues of jobs, as they are called in Redis; the names are those of the first release."""

    MAIN = "deliveries"
    SLOW = "letters"
    """Jobs that call servers of other people. A server that hangs holds a job for 15 s, so these
    jobs have a queue of their own and delay no pass."""


class Body(Enum):
    """What a message of a channel holds."""

    TEXT = "text"
    """Sentences for people, from the templates."""

    JSON = "json"
    """One of the bodies in `cloud.contract.webhooks`, for programs."""


class SendingRule(Enum):
    """When a message goes out; `cloud.worker.sending` holds the rules."""

    AT_ONCE = "at_once"
    CHAT = "chat"
    """Within Telegram's limits, and not to a chat that is muted."""

    DIGEST = "digest"
    """After quiet hours and a cooldown, as one message with all others that wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSpec:
    """What the cloud has to know of a channel.

    Args:
        notifier: Makes the channel's notifier; returns None where the settings do not configure
            the channel.
        unconfigured: Why nothing is sent where there is no notifier, for people.
        check_address: Raises DeliveryImpossible for an address that cannot be reached.
        queue: The queue of the channel's jobs.
        rule: When a message goes out.
        retry_waits_s: Seconds to wait after each try that failed; past the last, a delivery has
            failed for good.
        body: What a message holds.
        topics: The topics that a subscriber may choose.
        templates: The template of a text about a decision; None where nobody is told. A JSON body
            has no templates.
        carries_codes: Whether a message can show a pass's QR code. Visitors wait in such channels.
        is_signed: Whether a subscriber has a secret, with which its messages are signed.
    """

    notifier: Callable[[Settings], Notifier | None]
    unconfigured: str
    check_address: Callable[[str, Settings], None]
    queue: QueueName
    rule: SendingRule
    retry_waits_s: tuple[int, ...]
    body: Body
    topics: frozenset[Topic]
    templates: Mapping[Access, str | None] = field(default_factory=dict)
    carries_codes: bool = False
    is_signed: bool = False


def _telegram(settings: Settings) -> Notifier | None:
    from cloud.notify.telegram import TelegramNotifier  # noqa: PLC0415

    if settings.telegram_token is None:
        return None
    return TelegramNotifier(settings.telegram_token.get_secret_value(), settings.telegram_api_url)


def _mail(settings: Settings) -> Notifier | None:
    from cloud.notify.mail import MailNotifier  # noqa: PLC0415

    if settings.smtp_host is None:
        return None
    return MailNotifier(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        sender=settings.smtp_sender,
        username=settings.smtp_username,
        password=settings.smtp_password,
    )


def _webhook(settings: Settings) -> Notifier | None:
    from cloud.notify.webhook import WebhookNotifier  # noqa: PLC0415

    return WebhookNotifier(private_addresses=settings.webhook_private_addresses)


def _check_url(address: str, settings: Settings) -> None:
    from cloud.notify.webhook import url_of  # noqa: PLC0415

    url_of(address, private_addresses=settings.webhook_private_addresses)


_OF_PEOPLE: Final = frozenset({Topic.PASS, Topic.REFUSAL, Topic.DEVICE})

CHANNELS: Final[Mapping[Channel, ChannelSpec]] = {
    Channel.TELEGRAM: ChannelSpec(
        notifier=_telegram,
        unconfigured="CLOUD_TELEGRAM_TOKEN is not set, so nothing is sent to Telegram",
        check_address=lambda address, _: check_chat(address),
        queue=QueueName.MAIN,
        rule=SendingRule.CHAT,
        retry_waits_s=SOON_S,
        body=Body.TEXT,
        topics=_OF_PEOPLE,
        templates={
            Access.GRANTED: "pass.telegram.txt",
            Access.REFUSED: "refusal.telegram.txt",
        },
        carries_codes=True,
    ),
    Channel.EMAIL: ChannelSpec(
        notifier=_mail,
        unconfigured="CLOUD_SMTP_HOST is not set, so no mail is sent",
        check_address=lambda address, _: check_mailbox(address),
        queue=QueueName.SLOW,
        rule=SendingRule.DIGEST,
        retry_waits_s=GREYLISTED_S,
        body=Body.TEXT,
        topics=_OF_PEOPLE,
        templates={Access.GRANTED: None, Access.REFUSED: "refusal.email.txt"},
    ),
    Channel.WEBHOOK: ChannelSpec(
        notifier=_webhook,
        unconfigured="this worker calls no webhooks",
        check_address=_check_url,
        queue=QueueName.SLOW,
        rule=SendingRule.AT_ONCE,
        retry_waits_s=SOON_S,
        body=Body.JSON,
        topics=frozenset(Topic),
        is_signed=True,
    ),
}


def notifiers(settings: Settings) -> dict[Channel, Notifier]:
    """Return the notifiers of the channels that the settings configure."""
    made = {channel: spec.notifier(settings) for channel, spec in CHANNELS.items()}
    return {channel: notifier for channel, notifier in made.items() if notifier is not None}
