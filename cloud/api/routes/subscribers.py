"""Subscribers: who is told of a gate's events."""

from collections.abc import Sequence
from inspect import cleandoc
from typing import Annotated

from fastapi import APIRouter, Body

from cloud import announcements
from cloud.api.access.audit_trail import TrailDep
from cloud.api.access.dependencies import Caller, Now, SettingsDep, StoreDep, at_gate
from cloud.api.lists import LINKED, PagesDep, made
from cloud.api.parameters import GatePath
from cloud.api.problems import documented
from cloud.api.routes.gates import existing
from cloud.contract import (
    Channel,
    Delivery,
    IssuedSubscriber,
    NewSubscriber,
    ProblemCode,
    RolledSecret,
    Subscriber,
    SubscriberChange,
    Topic,
)
from cloud.errors import DeliveryImpossible, MalformedRequest, SubscriberUnknown
from cloud.notify.channels import CHANNELS
from cloud.notify.webhook import new_secret
from cloud.settings import Settings
from cloud.store import Store, subscriber_id
from cloud.store.access.limits import TESTS_OF_A_SUBSCRIBER

router = APIRouter(prefix="/v1/gates/{gate_id}/subscribers", tags=["gates"])

_AT_A_GATE = documented(ProblemCode.GATE_UNKNOWN, ProblemCode.GATE_FORBIDDEN)
_OF_A_SUBSCRIBER = documented(
    ProblemCode.GATE_UNKNOWN, ProblemCode.GATE_FORBIDDEN, ProblemCode.SUBSCRIBER_UNKNOWN
)
_REMOVABLE = frozenset({"quiet_hours", "cooldown_s"})

BY_AN_OPERATOR = "an operator suspended it"


@router.get("", responses={**_AT_A_GATE, **LINKED})
def list_subscribers(
    gate_id: GatePath, caller: Caller, store: StoreDep, pages: PagesDep
) -> list[Subscriber]:
    """List who is told of this gate's events, the oldest first."""
    existing(store, at_gate(caller, gate_id))
    return pages.of(
        store.gates.subscribers(gate_id),
        lambda subscriber: made(subscriber.created_at, subscriber.id),
        lambda subscriber: subscriber.id,
    )


@router.post(
    "",
    status_code=201,
    responses=_AT_A_GATE,
    description=cleandoc(
        """
        Tell an address of this gate's events. The same address again is the same subscriber, as it
        was made, and is taken up again if it was suspended. A webhook's secret is shown only here.
        """
    ),
)
def create_subscriber(
    *,
    gate_id: GatePath,
    new: Annotated[
        NewSubscriber,
        Body(
            openapi_examples={
                "a chat": {"value": {"channel": "telegram", "address": "123456789"}},
                "a mailbox": {
                    "value": {
                        "channel": "email",
                        "address": "guard@example.org",
                        "quiet_hours": {
                            "start": "22:00",
                            "end": "07:00",
                            "timezone": "Europe/Madrid",
                        },
                        "cooldown_s": 600,
                    }
                },
                "a webhook": {
                    "value": {
                        "channel": "webhook",
                        "address": "https://hooks.example.org/maskgate",
                        "topics": ["refusal"],
                    }
                },
            }
        ),
    ],
    caller: Caller,
    store: StoreDep,
    settings: SettingsDep,
    trail: TrailDep,
    now: Now,
) -> IssuedSubscriber:
    """Tell an address of this gate's events."""
    existing(store, at_gate(caller, gate_id))
    _check_topics(new.channel, new.topics)
    _check_address(new, settings)
    made = store.gates.subscribe(
        Subscriber(
            **new.model_dump(),
            id=subscriber_id(new.channel, new.address),
            gate=gate_id,
            created_at=now,
        )
    )
    secret = new_secret() if CHANNELS[made.channel].is_signed else None
    if secret is not None and not store.webhook_secrets.add(gate_id, made.id, secret):
        secret = None
    if made.created_at == now:
        trail.record("subscriber.created", f"subscriber:{made.id}", gate=gate_id)
    elif made.suspended_at is not None:
        made = store.suspensions.resume(gate_id, made.id) or made
        trail.record("subscriber.resumed", f"subscriber:{made.id}", gate=gate_id)
    return IssuedSubscriber(**made.model_dump(), secret=secret)


@router.patch(
    "/{subscriber_id}",
    responses=_OF_A_SUBSCRIBER,
    description=cleandoc(
        """
        Change what a subscriber is told of, in which language, and when; suspend it, or resume.

        What is left out stays as it is; `null` takes quiet hours or a cooldown away. What is on its
        way already is sent as it was to be, but not to a suspended subscriber.
        """
    ),
)
def change_subscriber(
    *,
    gate_id: GatePath,
    subscriber_id: str,
    change: Annotated[
        SubscriberChange,
        Body(
            openapi_examples={
                "refusals alone, in Spanish": {"value": {"topics": ["refusal"], "language": "es"}},
                "at any hour": {"value": {"quiet_hours": None}},
            }
        ),
    ],
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
    now: Now,
) -> Subscriber:
    """Change what a subscriber is told of, in which language, and when; suspend it, or resume."""
    held = _subscriber(store, at_gate(caller, gate_id), subscriber_id)
    fields = {
        name: getattr(change, name) for name in change.model_fields_set if name != "suspended"
    }
    wanted = {
        name: value for name, value in fields.items() if value is not None or name in _REMOVABLE
    }
    _check_topics(held.channel, wanted.get("topics", []))
    changed = store.gates.change_subscriber(gate_id, subscriber_id, wanted)
    act = "subscriber.changed"
    if change.suspended is True:
        act = "subscriber.suspended"
        changed = store.suspensions.suspend(gate_id, subscriber_id, BY_AN_OPERATOR, now)
    elif change.suspended is False:
        act = "subscriber.resumed"
        changed = store.suspensions.resume(gate_id, subscriber_id)
    if changed is None:
        raise _unknown(gate_id)
    trail.record(act, f"subscriber:{subscriber_id}", gate=gate_id)
    return changed


@router.delete("/{subscriber_id}", status_code=204, responses=_OF_A_SUBSCRIBER)
def delete_subscriber(
    gate_id: GatePath, subscriber_id: str, caller: Caller, store: StoreDep, trail: TrailDep
) -> None:
    """Tell an address no more."""
    existing(store, at_gate(caller, gate_id))
    if not store.gates.unsubscribe(gate_id, subscriber_id):
        raise _unknown(gate_id)
    trail.record("subscriber.deleted", f"subscriber:{subscriber_id}", gate=gate_id)


@router.post(
    "/{subscriber_id}/test",
    status_code=201,
    responses=_OF_A_SUBSCRIBER,
    description=cleandoc(
        """
        Send a test message, five a minute at most. The answer is its delivery: read its status in
        `GET /v1/deliveries?event=` with the answer's `event_id`. A suspended subscriber gets it
        too.
        """
    ),
)
def test_subscriber(
    *,
    gate_id: GatePath,
    subscriber_id: str,
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
    now: Now,
) -> Delivery:
    """Send a test message, five a minute at most."""
    held = _subscriber(store, at_gate(caller, gate_id), subscriber_id)
    gate = existing(store, gate_id)
    store.limits.count(TESTS_OF_A_SUBSCRIBER, "test-subscriber", f"{gate_id}:{subscriber_id}")
    delivery = announcements.of_test(gate, held, now)
    store.deliveries.add(delivery, now)
    trail.record("subscriber.tested", f"subscriber:{subscriber_id}", gate=gate_id)
    return delivery


@router.post(
    "/{subscriber_id}/secret",
    status_code=201,
    responses=_OF_A_SUBSCRIBER,
    description=cleandoc(
        """
        Give a webhook a new secret, which is shown only here.

        For 24 hours bodies are signed with the old one as well, so that the receiver misses none.
        """
    ),
)
def roll_subscriber_secret(
    *,
    gate_id: GatePath,
    subscriber_id: str,
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
    now: Now,
) -> RolledSecret:
    """Give a webhook a new secret, which is shown only here."""
    held = _subscriber(store, at_gate(caller, gate_id), subscriber_id)
    if not CHANNELS[held.channel].is_signed:
        raise MalformedRequest("only a webhook has a secret", ("path", "subscriber_id"))
    secret = new_secret()
    until = store.webhook_secrets.roll(gate_id, subscriber_id, secret, now)
    trail.record("subscriber.secret_rolled", f"subscriber:{subscriber_id}", gate=gate_id)
    return RolledSecret(secret=secret, old_secret_expires_at=until)


def _subscriber(store: Store, gate_id: str, subscriber_id: str) -> Subscriber:
    existing(store, gate_id)
    held = store.gates.subscriber(gate_id, subscriber_id)
    if held is None:
        raise _unknown(gate_id)
    return held


def _unknown(gate_id: str) -> SubscriberUnknown:
    return SubscriberUnknown(f"gate {gate_id} has no subscriber of this id")


def _check_topics(channel: Channel, topics: Sequence[Topic]) -> None:
    refused = sorted(topic.value for topic in set(topics) - CHANNELS[channel].topics)
    if refused:
        raise MalformedRequest(
            f"only webhooks are told of {' and '.join(refused)}; leave it out", ("body", "topics")
        )


def _check_address(new: NewSubscriber, settings: Settings) -> None:
    try:
        CHANNELS[new.channel].check_address(new.address, settings)
    except DeliveryImpossible as error:
        raise MalformedRequest(str(error), ("body", "address")) from error
