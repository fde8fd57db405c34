"""The policy context of a decision, read in one round trip and cached until it has changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cloud.contract import Gate, Subscriber
from cloud.store import keyspace
from cloud.store.access.keys import StoredKey
from cloud.store.people.visitors import READ_AT_MOST, Visitor
from cloud.store.records import parsed
from cloud.store.transaction import Command, Preconditions


@dataclass(frozen=True, slots=True)
class PolicyContext:
    """The key that asks, the gate, and everybody who may get a message.

    Attributes:
        key: The key; None where there is no such key.
        gate: The gate; None where there is no such gate.
        subscribers: The gate's subscribers.
        visitors: The visitors who wait at the gate, first come first.
        preconditions: Hold while all of this is unchanged; a script compares them.
    """

    key: StoredKey | None
    gate: Gate | None
    subscribers: list[Subscriber]
    visitors: list[Visitor]
    preconditions: Preconditions


def gate_of(key: bytes | None) -> str:
    """Return the gate that a stored key is bound to; empty where there is no key or no gate."""
    return (parsed(StoredKey, key).gate or "") if key else ""


def reading(key_id: str, gate: str) -> list[Command]:
    """Return the commands that read a key and a gate with its subscribers."""
    return [
        ("HGET", keyspace.KEYS, key_id),
        ("HGET", keyspace.GATES, gate),
        ("HVALS", keyspace.subscribers(gate)),
        ("LRANGE", keyspace.visitors(gate), 0, READ_AT_MOST - 1),
    ]


def read(commands: Sequence[Command], replies: Sequence[Any]) -> PolicyContext:
    """Return the context that the replies to the commands of `reading` hold."""
    key, gate, subscribers, visitors = replies
    return PolicyContext(
        key=parsed(StoredKey, key) if key else None,
        gate=parsed(Gate, gate) if gate else None,
        subscribers=[parsed(Subscriber, document) for document in subscribers],
        visitors=[Visitor.read(member) for member in visitors],
        preconditions=Preconditions.on(commands, replies),
    )


class ContextCache:
    """A cache of the policy contexts that a process has read, by key and gate.

    A cached context is never trusted: a decision on it is written only if the preconditions hold,
    and nobody is refused on it. Contexts without a key are not cached, so guesses cannot fill the
    cache.
    """

    LIMIT = 4096
    """The most contexts that are cached; past it, the cache is emptied. A building needs fewer."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str | None], PolicyContext] = {}

    def get(self, key_id: str, gate: str | None) -> PolicyContext | None:
        """Return the context that was read last; None where none is cached."""
        return self._held.get((key_id, gate))

    def put(self, key_id: str, gate: str | None, context: PolicyContext) -> None:
        """Cache a context."""
        if context.key is None:
            return
        if len(self._held) >= self.LIMIT:
            self._held.clear()
        self._held[key_id, gate] = context

    def discard(self, key_id: str, gate: str | None) -> None:
        """Forget a context, so that the next request reads it."""
        self._held.pop((key_id, gate), None)
