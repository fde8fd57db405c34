"""The button of an alert: who takes care of an event, and where that is shown."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from uuid import UUID

from cloud.audience import delivery_id
from cloud.bot.said import Said
from cloud.contract import Channel, Language
from cloud.notify.texts import bot_text
from cloud.notify.times import zone_at
from cloud.posting import ACKNOWLEDGE, acknowledged_text, is_alert
from cloud.store import Alert, Store


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What the press of an alert's button came to.

    Args:
        word: for who pressed.
        edits: alerts, each with the text that takes its place.
        event_id: the event that somebody takes care of; None where the press took nothing over.
    """

    word: str
    edits: list[tuple[Alert, str]]
    event_id: UUID | None = None


def press(
    store: Store,
    said: Said,
    data: str,
    language: Language,
    now: datetime,
    *,
    zone: tzinfo = UTC,
) -> Acknowledged:
    """Note that somebody takes care of an alert; the first who presses does.

    Everybody in a chat that is told of the gate may: the alert stays, and says who it was. A press
    in a group that got another id since counts as one in the group as it is now. Times are told in
    the gate's zone, or in `zone` where it has none.
    """
    event_id = event_in(data)
    event = store.events.get(event_id, now) if event_id is not None else None
    if event is None:
        return Acknowledged(bot_text("stale", language), [])
    told = [
        subscriber
        for subscriber in store.gates.subscribers(event.gate)
        if subscriber.channel is Channel.TELEGRAM
    ]
    chats = {subscriber.address for subscriber in told}
    if said.chat not in chats and store.migration.moved_to(said.chat) not in chats:
        return Acknowledged(bot_text("not_yours", language), [])
    by, at = store.deliveries.acknowledge(event.id, said.name, now)
    if (by, at) == (said.name, now):
        store.audit.record(
            actor=said.actor,
            act="event.acknowledged",
            subject=f"event:{event.id}",
            gate=event.gate,
            detail=f"by {said.name}, in chat:{said.chat}",
            now=now,
        )
    # Deliveries that were kept before events listed theirs are found by their subscribers.
    ids = dict.fromkeys(each.id for each in store.deliveries.of_event(event.id) if is_alert(each))
    ids.update(dict.fromkeys(delivery_id(event.id, subscriber.id) for subscriber in told))
    alerts = store.deliveries.acknowledged(ids, by, at)
    spoken_by = {subscriber.address: subscriber.language for subscriber in told}
    zone = zone_at(store.gates.get(event.gate), zone)
    edits = [
        (alert, acknowledged_text(alert.text, by, at, spoken_by.get(alert.chat, Language.EN), zone))
        for alert in alerts
    ]
    word = bot_text("taken", language, zone=zone, now=now, by=by, at=at)
    return Acknowledged(word, edits, event.id)


def event_in(data: str) -> UUID | None:
    """Return the event that a button's data names; anybody may send any data."""
    if not data.startswith(ACKNOWLEDGE):
        return None
    try:
        return UUID(data.removeprefix(ACKNOWLEDGE))
    except ValueError:
        return None
