"""Erasure: the removal of a gate with its whole history.

It is for gates that were made to try an installation out. The records of a gate that people passed
through are removed by their age (`retention`).
"""

from typing import Any, TypeVar, cast
from uuid import UUID

import redis

from cloud.contract import Device, Key
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.records import parsed
from cloud.store.tokens import sha256_of

M = TypeVar("M", Device, Key)


@translates_redis_errors
class Erasure:
    """Removes gates. Entries of the audit trail stay."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def gate(self, gate: str) -> int:
        """Remove a gate with its whole history.

        Subscribers, and jobs that wait for a worker, are not removed: the caller sees to it that
        there are none.

        Returns:
            How many events were removed.
        """
        stream = self._client.xrange(keyspace.events(gate))
        events = cast(list[tuple[bytes, dict[bytes, bytes]]], stream)
        pipe = self._client.pipeline()
        for cursor, entry in events:
            pipe.xdel(keyspace.events(), cursor)
            self._event(pipe, UUID(entry[b"id"].decode()))
        pipe.delete(keyspace.events(gate), keyspace.deliveries(gate))
        self._manual_passes(pipe, gate)
        self._redemptions(pipe, gate)
        for key in self._client.scan_iter(match=keyspace.counters_of(gate), count=500):
            pipe.delete(key)
        for key in self._of(keyspace.KEYS, Key, gate):
            pipe.hdel(keyspace.KEYS, key.id)
        for device in self._of(keyspace.DEVICES, Device, gate):
            pipe.hdel(keyspace.DEVICES, device.id)
            pipe.hdel(keyspace.HEARTBEATS, device.id)
            pipe.hdel(keyspace.ABSENCES, device.id)
            pipe.srem(keyspace.OUTAGES, device.id)
            pipe.delete(keyspace.commands(device.id), keyspace.outage(device.id))
        for name in (keyspace.GATES, keyspace.GATE_SETTINGS, keyspace.GATE_REVISIONS):
            pipe.hdel(name, gate)
        pipe.execute()
        return len(events)

    def _of(self, name: str, kind: type[M], gate: str) -> list[M]:
        documents = cast(list[bytes], self._client.hvals(name))
        held = (parsed(kind, document) for document in documents)
        return [each for each in held if each.gate == gate]

    def _manual_passes(self, pipe: Any, gate: str) -> None:
        stream = self._client.xrange(keyspace.manual_passes(gate))
        for cursor, entry in cast(list[tuple[bytes, dict[bytes, bytes]]], stream):
            pipe.xdel(keyspace.manual_passes(), cursor)
            self._pass(pipe, UUID(entry[b"id"].decode()))
        pipe.delete(keyspace.manual_passes(gate))

    def _redemptions(self, pipe: Any, gate: str) -> None:
        stream = self._client.xrange(keyspace.redemptions(gate))
        for cursor, _ in cast(list[tuple[bytes, dict[bytes, bytes]]], stream):
            pipe.xdel(keyspace.redemptions(), cursor)
            pipe.delete(keyspace.undone(cursor.decode()))
        pipe.delete(keyspace.redemptions(gate))

    def _event(self, pipe: Any, event_id: UUID) -> None:
        record = keyspace.event(event_id)
        held = cast(bytes | None, self._client.hget(record, "pass"))
        pipe.delete(record)
        if not held:
            return
        self._pass(pipe, UUID(held.decode()))

    def _pass(self, pipe: Any, pass_id: UUID) -> None:
        token = cast(bytes | None, self._client.get(keyspace.pass_token(pass_id)))
        answer = cast(bytes | None, self._client.hget(keyspace.pass_(pass_id), "redeemed_answer"))
        pipe.delete(
            keyspace.pass_(pass_id), keyspace.pass_token(pass_id), keyspace.pass_qr(pass_id)
        )
        if token:
            pipe.delete(keyspace.token(sha256_of(token.decode())))
        if answer:
            pipe.delete(answer)
