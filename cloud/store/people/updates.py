"""Telegram's updates: those that wait for an answer, and the numbers of those that have one."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import redis

from cloud.contract import Channel
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors

KEPT_FOR = timedelta(days=1)
"""Telegram keeps updates no longer (https://core.telegram.org/bots/api#getting-updates)."""


@dataclass(frozen=True, slots=True)
class Sender:
    """The sender of an update.

    Args:
        chat: the chat's id.
        person: the id of who wrote or pressed, which is also their private chat's.
        gate_code: the code of a gate's link that the update follows; empty where it follows none.
        pairing_code: the pairing code that the update may hold; empty where it holds none.
    """

    chat: str
    person: str
    gate_code: str = ""
    pairing_code: str = ""


@translates_redis_errors
class Updates:
    """Updates by bot and number."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def known(self, senders: Sequence[Sender]) -> list[bool]:
        """Return for each sender, in one round trip, whether the sender is known.

        Known are staff, subscribed chats, visitors who wait, and senders with a valid code.
        """
        pipe = self._client.pipeline(transaction=False)
        for sender in senders:
            pipe.exists(
                keyspace.staffed(sender.person),
                keyspace.subscriptions(Channel.TELEGRAM, sender.chat),
                keyspace.visit(sender.chat),
            )
            pipe.hexists(keyspace.GATES_BY_CODE, sender.gate_code)
            pipe.exists(
                keyspace.pairing_code(hashlib.sha256(sender.pairing_code.encode()).hexdigest())
            )
        answers = pipe.execute()
        return [any(answers[at : at + 3]) for at in range(0, len(answers), 3)]

    def keep(self, bot_id: int, documents: Mapping[int, str]) -> None:
        """Keep updates (JSON by number) until they are handled, for KEPT_FOR at most."""
        if not documents:
            return
        key = keyspace.inbox(bot_id)
        with self._client.pipeline() as pipe:
            pipe.hset(key, mapping={str(number): each for number, each in documents.items()})
            pipe.expire(key, KEPT_FOR)
            pipe.execute()

    def waiting(self, bot_id: int) -> dict[int, str]:
        """Return the kept updates that are not handled yet, the oldest first."""
        held = cast(dict[bytes, bytes], self._client.hgetall(keyspace.inbox(bot_id)))
        documents = {int(number): document.decode() for number, document in held.items()}
        return dict(sorted(documents.items()))

    def is_handled(self, bot_id: int, update_id: int) -> bool:
        """Return whether a bot has handled an update."""
        return bool(self._client.exists(keyspace.update(bot_id, update_id)))

    def mark_handled(self, bot_id: int, update_id: int) -> None:
        """Note that a bot has handled an update, and remove the update."""
        with self._client.pipeline() as pipe:
            pipe.set(keyspace.update(bot_id, update_id), "", ex=KEPT_FOR)
            pipe.hdel(keyspace.inbox(bot_id), str(update_id))
            pipe.execute()
