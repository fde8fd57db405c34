"""Gathering: reads the stores and the doubles at the end of a run, for the tally."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from chaos import camera, device
from chaos.director import Director
from chaos.doors import Attempt
from chaos.tally import Arrival, Evidence, Key, Mailed
from chaos.world import World
from cloud.contract import Delivery, EventRecord
from cloud.store import Store, keyspace, now
from edge.delivery import database
from tests.doubles.bot_api_wire import SentMessage
from tests.doubles.mail_server import TakenMail

LISTED_AT_MOST: Final = 50
"""Events that a digest lists; it counts the others."""

_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_REFUSALS = re.compile(r"^(\d+) people were refused", re.MULTILINE)


def gather(
    world: World, director: Director, tokens: list[str], attempts: list[Attempt]
) -> Evidence:
    """Read the stores and the doubles. The devices have been stopped; Redis runs.

    Args:
        world: with the stores and the doubles.
        director: with the faults that struck.
        tokens: of the photos' codes, in the photos' order.
        attempts: to redeem them.

    Returns:
        The evidence.
    """
    seen = {event.id for folder in world.device_folders() for event in device.journal(folder)}
    contents = [database.inspect(folder / device.OUTBOX) for folder in world.device_folders()]
    by_edge = {world.camera_gate: camera.made(world.camera_folder)} if world.scale.camera else {}
    with world.store() as store:
        events = tuple(_events(store))
        passes = [event.pass_record for event in events if event.pass_record is not None]
        return Evidence(
            seen=frozenset(seen),
            undelivered=sum(each.depth + len(each.rejected) for each in contents)
            + camera.left(world.camera_folder),
            by_edge=by_edge,
            events=events,
            deliveries=tuple(_deliveries(store)),
            passes=sum(1 for _ in store.client.scan_iter(f"{keyspace.PASS_PREFIX}*", count=1000)),
            tokens={each.id: store.passes.token(each.id) or "gone" for each in passes},
            arrivals=_arrivals(world, tokens),
            mails=tuple(mailed(each) for each in world.mail.mails),
            attempts=tuple(attempts),
            disagreed=_disagreed(world),
            blows=tuple(director.blows),
            visitors=sum(each.served for each in director.visitors),
            asked_again=sum(each.asked - 1 for each in director.visitors),
        )


def _events(store: Store) -> Iterable[EventRecord]:
    cursor: str | None = None
    while True:
        page, cursor = store.events.page(
            gate=None, access=None, label=None, before=cursor, limit=500, now=now()
        )
        yield from page
        if cursor is None:
            return


def _deliveries(store: Store) -> Iterable[Delivery]:
    cursor: str | None = None
    while True:
        page, cursor = store.deliveries.page(gate=None, status=None, before=cursor, limit=500)
        yield from page
        if cursor is None:
            return


def _arrivals(world: World, tokens: list[str]) -> dict[Key, tuple[Arrival, ...]]:
    arrived: defaultdict[Key, list[Arrival]] = defaultdict(list)
    for photo, token in zip(world.bot_api.photos, tokens, strict=True):
        arrived["photo", token, photo.chat_id].append(Arrival(photo.at, photo.answered))
    for message in world.bot_api.messages:
        key = _key_of_words(message)
        if key is not None:
            arrived[key].append(Arrival(message.at, message.answered))
    return {key: tuple(each) for key, each in arrived.items()}


def _key_of_words(message: SentMessage) -> Key | None:
    """Return the key of a message; None for the bot's own answers."""
    if message.reply_markup:
        button = json.loads(message.reply_markup)["inline_keyboard"][0][0]
        return ("alert", button["callback_data"].removeprefix("ack:"), message.chat_id)
    by_worker = message.text.startswith("No pass yet") or " is offline" in message.text
    if by_worker or " is back" in message.text:
        return ("words", message.text, message.chat_id)
    return None


def mailed(taken: TakenMail) -> Mailed:
    """Return the events of a mail."""
    named = frozenset(_UUID.findall(taken.text))
    number = _REFUSALS.search(taken.text)
    told = int(number[1]) if number is not None else len(named)
    unnamed = told - len(named) if told > LISTED_AT_MOST else 0
    return Mailed(str(taken.mail["To"]), named, unnamed, Arrival(taken.at))


def _disagreed(world: World) -> int:
    disagreed = 0
    for folder in world.device_folders():
        path = folder / device.COPIES
        lines = path.read_text().splitlines() if path.exists() else []
        disagreed += sum(len(json.loads(line)["passes"]) > 1 for line in lines)
    return disagreed
