"""Migration: the records of a chat move with it to its new id.

A group that becomes a supergroup gets a new id, and its old id takes no more messages
(https://core.telegram.org/bots/api#responseparameters).
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, cast

import redis

from cloud.contract import Channel, Delivery, DeliveryStatus, StaffMember, Subscriber
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.moments import to_ms
from cloud.store.people.visitors import Visitor
from cloud.store.records import parsed
from cloud.store.reports.audit import entry, fields_of
from cloud.store.sites.gates import subscriber_id
from cloud.store.streams import Span

ACTOR = "telegram"
"""The actor in the audit trail: Telegram itself tells of a migration."""

REMEMBERED_FOR = timedelta(days=30)
"""As long as an acknowledgement lives: until then a button in the old chat may be pressed."""

DELIVERIES_BACK = timedelta(days=2)
"""How far back deliveries are readdressed: longer than a delivery is tried for."""

BATCH = 500


@translates_redis_errors
class Migration:
    """Moves chats, and remembers which chat moved where."""

    def __init__(self, client: redis.Redis, audit_retention: timedelta) -> None:
        self._client = client
        self._audit_retention = audit_retention

    def move(self, old: str, new: str, now: datetime) -> bool:
        """Move everything that is kept under one chat's id to another id.

        Subscriptions and roles at all gates, the place in a gate's line, the language and the mute
        are moved in one MULTI, with an entry of the audit trail for each gate. Records that the new
        id has already stay as they are. Then the unsent deliveries of the last DELIVERIES_BACK get
        the new address. A second call changes nothing and adds no entry.

        Args:
            old: the id that the chat had.
            new: the id that it has now.
            now: the time of the move.

        Returns:
            False where nothing was kept under the old id.
        """
        if old == new:
            return False
        gates = self._moved(old, new, now)
        # Also where nothing was left to move, since a process may have died between the two steps.
        for gate in {*gates, *self._gates_of(new)}:
            self._readdress_recent(gate, old, new, now)
        return bool(gates)

    def readdress(self, delivery_ids: Iterable[str], old: str, new: str) -> None:
        """Give the unsent ones of these deliveries the new chat's address."""
        for delivery_id in delivery_ids:
            self._readdress(delivery_id, old, new)

    def moved_to(self, chat: str) -> str | None:
        """Return the id that a chat has now; None where it did not move lately."""
        held = cast(bytes | None, self._client.get(keyspace.moved_to(chat)))
        return held.decode() if held else None

    def moved_from(self, chat: str) -> str | None:
        """Return the id that a chat had before; None where it did not move lately."""
        held = cast(bytes | None, self._client.get(keyspace.moved_from(chat)))
        return held.decode() if held else None

    def _moved(self, old: str, new: str, now: datetime) -> set[str | None]:
        """Move the records in one MULTI; return their gates, None for those of no gate."""
        with self._client.pipeline() as pipe:
            while True:
                pipe.watch(  # type: ignore[no-untyped-call]
                    *(keyspace.chat(old), keyspace.chat(new)),
                    *(keyspace.visit(old), keyspace.visit(new)),
                    *(keyspace.staffed(old), _subscriptions(old)),
                )
                subscribed = _texts(pipe.smembers(_subscriptions(old)))
                staffed = _texts(pipe.smembers(keyspace.staffed(old)))
                commands = [
                    *self._subscribers(pipe, subscribed, old, new),
                    *self._staff(pipe, staffed, old, new),
                ]
                gates: set[str | None] = {*subscribed, *staffed}
                visited, visit = self._visit(pipe, old, new)
                if visited is not None:
                    gates.add(visited)
                    commands += visit
                settings = cast(dict[bytes, bytes], pipe.hgetall(keyspace.chat(old)))
                if settings:
                    commands += [
                        ("HSETNX", keyspace.chat(new), name, value)
                        for name, value in settings.items()
                    ]
                    commands.append(("DEL", keyspace.chat(old)))
                    gates = gates or {None}
                if not gates:
                    pipe.unwatch()
                    return set()
                commands += self._remembered(gates, old, new, now)
                pipe.multi()
                for command in commands:
                    pipe.execute_command(*command)  # type: ignore[no-untyped-call]
                try:
                    pipe.execute()
                except redis.WatchError:
                    continue
                return gates

    def _subscribers(self, pipe: Any, gates: set[str], old: str, new: str) -> list[tuple[Any, ...]]:
        commands: list[tuple[Any, ...]] = []
        for gate in sorted(gates):
            key = keyspace.subscribers(gate)
            pipe.watch(key)
            for name, document in cast(dict[bytes, bytes], pipe.hgetall(key)).items():
                held = parsed(Subscriber, document)
                if (held.channel, held.address) != (Channel.TELEGRAM, old):
                    continue
                moved = held.model_copy(
                    update={"id": subscriber_id(Channel.TELEGRAM, new), "address": new}
                )
                commands += [
                    ("HDEL", key, name),
                    ("HSETNX", key, moved.id, moved.model_dump_json()),
                    ("SADD", _subscriptions(new), gate),
                    ("HDEL", keyspace.REFUSALS, keyspace.of_subscriber(gate, held.id)),
                ]
                if held.suspended_at is not None:
                    commands += [
                        ("SREM", keyspace.SUSPENDED, keyspace.of_subscriber(gate, held.id)),
                        ("SADD", keyspace.SUSPENDED, keyspace.of_subscriber(gate, moved.id)),
                    ]
        return [*commands, ("DEL", _subscriptions(old))]

    def _staff(self, pipe: Any, gates: set[str], old: str, new: str) -> list[tuple[Any, ...]]:
        commands: list[tuple[Any, ...]] = []
        for gate in sorted(gates):
            key = keyspace.staff(gate)
            pipe.watch(key)
            document = cast(bytes | None, pipe.hget(key, old))
            if document is None:
                continue
            moved = parsed(StaffMember, document).model_copy(update={"chat": new})
            commands += [
                ("HDEL", key, old),
                ("HSETNX", key, new, moved.model_dump_json()),
                ("SADD", keyspace.staffed(new), gate),
            ]
        return [*commands, ("DEL", keyspace.staffed(old))]

    def _visit(self, pipe: Any, old: str, new: str) -> tuple[str | None, list[tuple[Any, ...]]]:
        held = cast(bytes | None, pipe.get(keyspace.visit(old)))
        if held is None:
            return None, []
        gate, _, member = held.decode().partition(":")
        visitors = keyspace.visitors(gate)
        pipe.watch(visitors)
        place = pipe.lpos(visitors, member)
        waiting = Visitor.read(member.encode())
        moved = Visitor(new, waiting.language, waiting.until)
        commands: list[tuple[Any, ...]] = [("DEL", keyspace.visit(old))]
        if place is None:
            return gate, commands
        if pipe.exists(keyspace.visit(new)):
            return gate, [*commands, ("LREM", visitors, 1, member)]
        return gate, [
            *commands,
            ("LSET", visitors, place, moved.member),
            ("SET", keyspace.visit(new), f"{gate}:{moved.member}", "PXAT", to_ms(moved.until)),
        ]

    def _remembered(
        self, gates: set[str | None], old: str, new: str, now: datetime
    ) -> list[tuple[Any, ...]]:
        oldest = now - self._audit_retention
        lifetime_s = int(REMEMBERED_FOR.total_seconds())
        trail = [
            entry(
                fields_of(
                    actor=ACTOR,
                    act="chat.moved",
                    subject=f"chat:{old}",
                    gate=gate,
                    reason=f"the chat is chat:{new} now",
                    now=now,
                ),
                oldest,
            )
            for gate in sorted(gates, key=lambda gate: gate or "")
        ]
        return [
            *trail,
            ("SET", keyspace.moved_to(old), new, "EX", lifetime_s),
            ("SET", keyspace.moved_from(new), old, "EX", lifetime_s),
        ]

    def _gates_of(self, chat: str) -> set[str]:
        return _texts(self._client.smembers(_subscriptions(chat)))

    def _readdress_recent(self, gate: str | None, old: str, new: str, now: datetime) -> None:
        if gate is None:
            return
        stream, newest = keyspace.deliveries(gate), "+"
        oldest = Span.of(now - DELIVERIES_BACK, None).oldest
        while True:
            entries = cast(
                list[tuple[bytes, dict[bytes, bytes]]],
                self._client.xrevrange(stream, max=newest, min=oldest, count=BATCH),
            )
            ids = [fields[b"id"].decode() for _, fields in entries]
            pipe = self._client.pipeline(transaction=False)
            for each in ids:
                pipe.hmget(keyspace.delivery(each), "delivery", "status")
            for each, (document, status) in zip(ids, pipe.execute(), strict=True):
                if document and status != _SENT and parsed(Delivery, document).address == old:
                    self._readdress(each, old, new)
            if len(entries) < BATCH:
                return
            newest = f"({entries[-1][0].decode()}"

    def _readdress(self, delivery_id: str, old: str, new: str) -> None:
        key = keyspace.delivery(delivery_id)
        with self._client.pipeline() as pipe:
            while True:
                pipe.watch(key)  # type: ignore[no-untyped-call]
                document, status = cast(list[bytes | None], pipe.hmget(key, ["delivery", "status"]))
                if document is None or status == _SENT:
                    return
                held = parsed(Delivery, document)
                if (held.channel, held.address) != (Channel.TELEGRAM, old):
                    return
                changes = {"address": new}
                if held.subscriber_id is not None:
                    changes["subscriber_id"] = subscriber_id(Channel.TELEGRAM, new)
                pipe.multi()
                pipe.hset(key, "delivery", held.model_copy(update=changes).model_dump_json())
                try:
                    pipe.execute()
                except redis.WatchError:
                    continue
                return


_SENT = DeliveryStatus.SENT.value.encode()


def _subscriptions(chat: str) -> str:
    return keyspace.subscriptions(Channel.TELEGRAM, chat)


def _texts(members: Any) -> set[str]:
    return {member.decode() for member in cast(set[bytes], members)}
