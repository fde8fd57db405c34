"""Gates and their subscribers."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

import redis

from cloud.contract import Channel, Delivery, Gate, Subscriber
from cloud.store import keyspace
from cloud.store.acceptance import BatchBuilder
from cloud.store.connection import translates_redis_errors
from cloud.store.locking import check_and_set, require_gate
from cloud.store.moments import now
from cloud.store.records import parsed
from cloud.store.transaction import RUN_ALL, Batch, Preconditions

M = TypeVar("M", Gate, Subscriber)

ChangeMessages = Callable[[Gate, Gate], Sequence[Delivery]]
"""Returns the deliveries that tell of a change, by the gate before and after it."""


def subscriber_id(channel: Channel, address: str) -> str:
    """Return the id of an address at a gate; an address has one, so it gets each message once."""
    return hashlib.sha256(f"{channel.value}:{address}".encode()).hexdigest()[:12]


def forget(pipe: Any, gate_id: str, subscriber: Subscriber) -> None:
    """Add to a pipeline the commands that remove all records of a subscriber."""
    field = keyspace.of_subscriber(gate_id, subscriber.id)
    pipe.hdel(keyspace.subscribers(gate_id), subscriber.id)
    pipe.hdel(keyspace.WEBHOOK_SECRETS, field)
    pipe.hdel(keyspace.OLD_WEBHOOK_SECRETS, field)
    pipe.hdel(keyspace.REFUSALS, field)
    pipe.srem(keyspace.SUSPENDED, field)
    pipe.srem(keyspace.subscriptions(subscriber.channel, subscriber.address), gate_id)


def _closing(gate: Gate, closed: bool, reason: str, at: datetime | None) -> dict[str, Any]:
    if not closed:
        return {"closed_at": None, "closed_reason": ""}
    return {
        "closed_at": gate.closed_at if gate.closed else at,
        "closed_reason": reason or (gate.closed_reason if gate.closed else ""),
    }


@translates_redis_errors
class Gates:
    """Gates by id; subscribers by gate, and gates by subscriber's address."""

    def __init__(self, client: redis.Redis, batches: BatchBuilder) -> None:
        self._client = client
        self._batches = batches

    def add(self, gate: Gate) -> bool:
        """Keep a new gate; return False if its id is taken, or belonged to a deleted gate."""

        def write(pipe: Any) -> bool:
            if pipe.hexists(keyspace.DELETED_GATES, gate.id) or pipe.hexists(
                keyspace.GATES, gate.id
            ):
                return False
            pipe.multi()
            pipe.hset(keyspace.GATES, gate.id, gate.model_dump_json())
            return True

        return check_and_set(self._client, write, keyspace.GATES, keyspace.DELETED_GATES)

    def get(self, gate_id: str) -> Gate | None:
        """Return the gate, or None."""
        document = cast(bytes | None, self._client.hget(keyspace.GATES, gate_id))
        return parsed(Gate, document) if document else None

    def with_preconditions(self, gate_id: str) -> tuple[Gate | None, Preconditions]:
        """Return the gate, or None; and preconditions that hold while the gate is unchanged."""
        command = ("HGET", keyspace.GATES, gate_id)
        document = cast(bytes | None, self._client.hget(keyspace.GATES, gate_id))
        return (parsed(Gate, document) if document else None), Preconditions.on(
            [command], [document]
        )

    def change(
        self,
        gate_id: str,
        fields: Mapping[str, Any],
        *,
        reason: str = "",
        at: datetime | None = None,
        messages: ChangeMessages | None = None,
    ) -> Gate | None:
        """Change fields of a gate.

        Args:
            gate_id: of the gate.
            fields: the fields with their new values.
            reason: why the gate is closed. A gate that is closed already keeps its reason where
                this is empty.
            at: when the gate is closed. A gate that is closed already keeps its time.
            messages: makes the deliveries that are written in the same MULTI.

        Returns:
            The changed gate; None where there is no such gate.
        """

        def with_why(gate: Gate) -> Mapping[str, Any]:
            return {**fields, **_closing(gate, fields["closed"], reason, at)}

        def follows(before: Gate, after: Gate) -> bytes | None:
            deliveries = messages(before, after) if messages is not None else []
            if not deliveries:
                return None
            batch = Batch()
            self._batches.add_deliveries(batch, deliveries, at or now())
            return batch.commands

        return self._changed(
            Gate,
            keyspace.GATES,
            gate_id,
            with_why if "closed" in fields else lambda _: fields,
            follows,
        )

    def all(self) -> list[Gate]:
        """Return every gate, by id."""
        documents = cast(list[bytes], self._client.hvals(keyspace.GATES))
        return sorted((parsed(Gate, document) for document in documents), key=lambda gate: gate.id)

    def subscribe(self, subscriber: Subscriber) -> Subscriber:
        """Keep a subscriber, unless there is one of its id.

        Returns:
            The subscriber that is kept.

        Raises:
            GateUnknown: there is no such gate.
        """
        key = keyspace.subscribers(subscriber.gate)

        def write(pipe: Any) -> Subscriber:
            require_gate(pipe, subscriber.gate)
            document = pipe.hget(key, subscriber.id)
            held = parsed(Subscriber, document) if document else subscriber
            pipe.multi()
            pipe.hset(key, subscriber.id, document or subscriber.model_dump_json())
            pipe.sadd(
                keyspace.subscriptions(subscriber.channel, subscriber.address), subscriber.gate
            )
            return held

        return check_and_set(self._client, write, keyspace.GATES, key)

    def subscriber(self, gate_id: str, subscriber_id: str) -> Subscriber | None:
        """Return the subscriber, or None."""
        held = cast(bytes | None, self._client.hget(keyspace.subscribers(gate_id), subscriber_id))
        return parsed(Subscriber, held) if held else None

    def change_subscriber(
        self, gate_id: str, subscriber_id: str, fields: Mapping[str, Any]
    ) -> Subscriber | None:
        """Change fields of a subscriber; return it, or None where there is no such subscriber."""
        key = keyspace.subscribers(gate_id)
        return self._changed(Subscriber, key, subscriber_id, lambda _: fields)

    def subscribers(self, gate_id: str) -> list[Subscriber]:
        """Return the gate's subscribers, the oldest first."""
        documents = cast(list[bytes], self._client.hvals(keyspace.subscribers(gate_id)))
        held = (parsed(Subscriber, document) for document in documents)
        return sorted(held, key=lambda subscriber: (subscriber.created_at, subscriber.id))

    def unsubscribe(self, gate_id: str, subscriber_id: str) -> bool:
        """Remove a subscriber; return False if there is no such subscriber."""
        held = cast(bytes | None, self._client.hget(keyspace.subscribers(gate_id), subscriber_id))
        if held is None:
            return False
        subscriber = parsed(Subscriber, held)
        with self._client.pipeline() as pipe:
            forget(pipe, gate_id, subscriber)
            pipe.execute()
        return True

    def of_address(self, channel: Channel, address: str) -> list[str]:
        """Return the ids of the gates that an address is told of, sorted."""
        gates = cast(set[bytes], self._client.smembers(keyspace.subscriptions(channel, address)))
        return sorted(gate.decode() for gate in gates)

    def _changed(
        self,
        model: type[M],
        key: str,
        name: str,
        fields: Callable[[M], Mapping[str, Any]],
        follows: Callable[[M, M], bytes | None] = lambda _before, _after: None,
    ) -> M | None:
        with self._client.pipeline() as pipe:
            while True:
                pipe.watch(key)  # type: ignore[no-untyped-call]
                document = cast(bytes | None, pipe.hget(key, name))
                if document is None:
                    return None
                held = parsed(model, document)
                changed = held.model_copy(update=dict(fields(held)))
                commands = follows(held, changed)
                pipe.multi()
                pipe.hset(key, name, changed.model_dump_json())
                if commands is not None:
                    pipe.eval(RUN_ALL, 0, commands)
                try:
                    pipe.execute()
                except redis.WatchError:
                    continue
                return changed
