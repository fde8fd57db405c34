"""The button of an alert: a person takes care of an event, and every alert of it says who."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from uuid import UUID

from cloud.audience import delivery_id
from cloud.bot.answering.chat_request import ChatRequest
from cloud.contract import Channel, Language
from cloud.notify.alerts import ACKNOWLEDGE, acknowledged_text, is_alert
from cloud.notify.texts import bot_text
from cloud.notify.times import zone_at
from cloud.store import Alert, Store


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The result of a press.

    Args:
        notice: The answer to the person who pressed.
        edits: Alerts, each with the text that replaces its own.
        event_id: The event that somebody takes care of; None where the press changed nothing.
    """

    notice: str
    edits: list[tuple[Alert, str]]
    event_id: UUID | None = None


def press(
    store: Store,
    request: ChatRequest,
    data: str,
    language: Language,
    now: datetime,
    *,
    zone: tzinfo = UTC,
) -> Acknowledged:
    """Note that a person takes care of an alert; the first who presses the button does.

    Everybody in a chat that gets the gate's alerts may press. The alert stays, and says who it was.
    A press in a group that has another id by now counts as a press in the group of the new id.

    Args:
        store: Keeps events, deliveries and subscribers.
        request: Says who pressed, and in which chat.
        data: The data of the button. Anybody may send any data.
        language: The language of the notice.
        now: The time now.
        zone: The zone in which times are told at a gate without a zone of its own.

    Returns:
        The notice, and the edits of the event's alerts.
    """
    event_id = event_in(data)
    event = store.events.get(event_id, now) if event_id is not None else None
    if event is None:
        return Acknowledged(bot_text("stale", language), [])
    subscribers = [
        subscriber
        for subscriber in store.gates.subscribers(event.gate)
        if subscriber.channel is Channel.TELEGRAM
    ]
    chats = {subscriber.address for subscriber in subscribers}
    if request.chat not in chats and store.migration.moved_to(request.chat) not in chats:
        return Acknowledged(bot_text("not_yours", language), [])
    by, at = store.deliveries.acknowledge(event.id, request.name, now)
    if (by, at) == (request.name, now):
        store.audit.record(
            actor=request.actor,
            act="event.acknowledged",
            subject=f"event:{event.id}",
            gate=event.gate,
            detail=f"by {request.name}, in chat:{request.chat}",
            now=now,
        )
    # Events of an older version do not list their deliveries: the ids of these follow from the
    # subscribers.
    ids = dict.fromkeys(each.id for each in store.deliveries.of_event(event.id) if is_alert(each))
    ids.update(dict.fromkeys(delivery_id(event.id, subscriber.id) for subscriber in subscribers))
    alerts = store.deliveries.acknowledged(ids, by, at)
    language_of_chat = {subscriber.address: subscriber.language for subscriber in subscribers}
    zone = zone_at(store.gates.get(event.gate), zone)
    edits = [
        (
            alert,
            acknowledged_text(
                alert.text, by, at, language_of_chat.get(alert.chat, Language.EN), zone
            ),
        )
        for alert in alerts
    ]
    notice = bot_text("taken", language, zone=zone, now=now, by=by, at=at)
    return Acknowledged(notice, edits, event.id)


def event_in(data: str) -> UUID | None:
    """Return the event that a button's data names; None where the data names none."""
    if not data.startswith(ACKNOWLEDGE):
        return None
    try:
        return UUID(data.removeprefix(ACKNOWLEDGE))
    except ValueError:
        return None
