"""Sending: one delivery goes out by the rules of its channel.

A rule returns a `Wait` where the message is not due yet, and raises what the notifier raises.
`cloud.worker.jobs` turns both into another try.
"""

from collections.abc import Sequence

from pydantic import SecretStr

from cloud.contract import Delivery, DeliveryKind, DeliveryStatus
from cloud.notify.base import Message, Notifier
from cloud.notify.channels import CHANNELS, SendingRule
from cloud.worker import chat_messages, mail_digests
from cloud.worker.context import JobContext
from cloud.worker.outcomes import Settled, Wait


def send(context: JobContext, delivery: Delivery, notifier: Notifier) -> Settled | Wait | None:
    """Send one delivery by the rules of its channel.

    Args:
        context: The worker's context.
        delivery: The delivery.
        notifier: The notifier of its channel.

    Returns:
        The outcome, or how long the message waits; None where another worker settled it, or where
        it was settled with others.
    """
    subscriber = context.subscriber_of(delivery)
    suspended = subscriber is not None and subscriber.suspended_at is not None
    if subscriber is not None and suspended and delivery.kind is not DeliveryKind.TEST:
        return Settled(
            DeliveryStatus.UNDELIVERED_BY_CHOICE,
            f"the subscriber is suspended: {subscriber.suspended_reason}",
        )
    match CHANNELS[delivery.channel].rule:
        case SendingRule.CHAT:
            return chat_messages.send(context, delivery, subscriber, notifier)
        case SendingRule.DIGEST:
            return mail_digests.send(context, delivery, subscriber, notifier)
        case SendingRule.AT_ONCE:
            return _send_at_once(context, delivery, notifier)


def _send_at_once(context: JobContext, delivery: Delivery, notifier: Notifier) -> Settled:
    secrets: Sequence[str] = ()
    if CHANNELS[delivery.channel].is_signed:
        secrets = context.store.webhook_secrets.all(
            delivery.gate, delivery.subscriber_id or "", context.clock()
        )
    context.store.deliveries.attempt(delivery.id, context.clock())
    notifier.send(
        Message(
            delivery.address,
            delivery.text,
            id=delivery.id,
            secrets=tuple(SecretStr(secret) for secret in secrets),
        )
    )
    return Settled(DeliveryStatus.SENT)
