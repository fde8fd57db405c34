"""Suspensions: subscribers whose server refuses messages for good.

Refusals in a row are counted. After REFUSALS of them, or one that says "never again", the
subscriber is suspended: it stays in the list with the time and the reason, and gets no message
until an operator resumes it.
"""

from datetime import datetime, timedelta
from typing import Final, cast

import redis

from cloud.contract import Subscriber
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.records import parsed
from cloud.store.reports.audit import entry, fields_of
from cloud.store.transaction import Command

REFUSALS: Final = 3
"""Refusals in a row that suspend a subscriber."""

ACTOR: Final = "worker"
"""The actor of a suspension in the audit trail."""


@translates_redis_errors
class Suspensions:
    """Counts refusals, suspends subscribers and resumes them."""

    def __init__(self, client: redis.Redis, audit_retention: timedelta) -> None:
        self._client = client
        self._audit_retention = audit_retention

    def refused(
        self, gate: str, subscriber_id: str, reason: str, now: datetime, *, at_once: bool
    ) -> bool:
        """Count a delivery that was refused for good.

        Args:
            gate: the subscriber's gate.
            subscriber_id: the subscriber whose server refused.
            reason: the answer of that server, for people.
            now: when.
            at_once: suspend without counting, since the server said "never again".

        Returns:
            Whether this refusal suspended the subscriber.
        """
        field = keyspace.of_subscriber(gate, subscriber_id)
        count = self._client.hincrby(keyspace.REFUSALS, field, 1)
        if count < REFUSALS and not at_once:
            return False
        trail = fields_of(
            actor=ACTOR,
            act="subscriber.suspended",
            subject=f"subscriber:{subscriber_id}",
            gate=gate,
            reason=reason,
            now=now,
        )
        held = self._set(
            gate,
            subscriber_id,
            since=now,
            reason=reason,
            also=[entry(trail, now - self._audit_retention)],
        )
        return held is not None and held.suspended_at == now

    def reached(self, gate: str, subscriber_id: str) -> None:
        """Reset the count of a subscriber's refusals, after a message was sent."""
        field = keyspace.of_subscriber(gate, subscriber_id)
        self._client.hdel(keyspace.REFUSALS, field)

    def suspend(
        self, gate: str, subscriber_id: str, reason: str, now: datetime
    ) -> Subscriber | None:
        """Suspend a subscriber, unless it is suspended; return it, or None where there is none."""
        return self._set(gate, subscriber_id, since=now, reason=reason)

    def resume(self, gate: str, subscriber_id: str) -> Subscriber | None:
        """Resume a subscriber and reset its count; return it, or None where there is none."""
        return self._set(gate, subscriber_id, since=None, reason="")

    def count(self) -> int:
        """Return how many subscribers are suspended, of all gates."""
        return self._client.scard(keyspace.SUSPENDED)

    def _set(
        self,
        gate: str,
        subscriber_id: str,
        *,
        since: datetime | None,
        reason: str,
        also: list[Command] | None = None,
    ) -> Subscriber | None:
        key, field = keyspace.subscribers(gate), keyspace.of_subscriber(gate, subscriber_id)
        with self._client.pipeline() as pipe:
            while True:
                pipe.watch(key)  # type: ignore[no-untyped-call]
                document = cast(bytes | None, pipe.hget(key, subscriber_id))
                if document is None:
                    self._client.hdel(keyspace.REFUSALS, field)
                    return None
                held = parsed(Subscriber, document)
                if (held.suspended_at is None) == (since is None):
                    return held
                changed = held.model_copy(
                    update={"suspended_at": since, "suspended_reason": reason}
                )
                pipe.multi()
                pipe.hset(key, subscriber_id, changed.model_dump_json())
                pipe.hdel(keyspace.REFUSALS, field)
                if since is None:
                    pipe.srem(keyspace.SUSPENDED, field)
                else:
                    pipe.sadd(keyspace.SUSPENDED, field)
                for command in also or []:
                    pipe.execute_command(*command)  # type: ignore[no-untyped-call]
                try:
                    pipe.execute()
                except redis.WatchError:
                    continue
                return changed
