"""What a decision needs to know, read in one round trip and remembered until it has changed."""

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
    """Who asks, where, and who is to be told.

    `preconditions` lets a script find out whether any of it has changed since.
    """

    key: StoredKey | None
    gate: Gate | None
    subscribers: list[Subscriber]
    visitors: list[Visitor]
    preconditions: Preconditions


def gate_of(key: bytes | None) -> str:
    """Return the gate that a kept key is bound to; nothing where it is to none, or is none."""
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
    """Return what the commands of `reading` answered."""
    key, gate, subscribers, visitors = replies
    return PolicyContext(
        key=parsed(StoredKey, key) if key else None,
        gate=parsed(Gate, gate) if gate else None,
        subscribers=[parsed(Subscriber, document) for document in subscribers],
        visitors=[Visitor.read(member) for member in visitors],
        preconditions=Preconditions.on(commands, replies),
    )


class ContextCache:
    """The policy contexts that a process has read, by key and gate.

    Nothing here is trusted: what is decided on it is written only if the preconditions hold, and
    nobody is refused on it. Keys that were not found are never kept, so a guesser cannot fill it.
    """

    LIMIT = 4096
    """Then it begins anew: as many keys are used within seconds in no building."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str | None], PolicyContext] = {}

    def get(self, key_id: str, gate: str | None) -> PolicyContext | None:
        """Return what was read last, if anything."""
        return self._held.get((key_id, gate))

    def put(self, key_id: str, gate: str | None, context: PolicyContext) -> None:
        """Remember what was read."""
        if context.key is None:
            return
        if len(self._held) >= self.LIMIT:
            self._held.clear()
        self._held[key_id, gate] = context

    def discard(self, key_id: str, gate: str | None) -> None:
        """Read it anew the next time."""
        self._held.pop((key_id, gate), None)
