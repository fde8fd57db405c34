"""Secrets of webhooks: the secret that signs bodies, and for a while the former one too."""

from datetime import datetime, timedelta
from typing import Final, cast

import redis

from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.moments import from_ms, to_ms

OVERLAP: Final = timedelta(hours=24)
"""How long bodies are signed with the former secret too, until the receiver has the new one."""


@translates_redis_errors
class WebhookSecrets:
    """Secrets by gate and subscriber."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def add(self, gate: str, subscriber_id: str, secret: str) -> bool:
        """Keep a webhook's first secret; return False if it has one already."""
        field = keyspace.of_subscriber(gate, subscriber_id)
        return bool(self._client.hsetnx(keyspace.WEBHOOK_SECRETS, field, secret))

    def roll(self, gate: str, subscriber_id: str, secret: str, now: datetime) -> datetime:
        """Keep a new secret; the former one stays good for OVERLAP.

        A second roll within OVERLAP ends the secret before the former one.

        Returns:
            The moment from which bodies are signed with the new secret alone.
        """
        field = keyspace.of_subscriber(gate, subscriber_id)
        until = now + OVERLAP
        with self._client.pipeline() as pipe:
            while True:
                pipe.watch(keyspace.WEBHOOK_SECRETS)  # type: ignore[no-untyped-call]
                held = cast(bytes | None, pipe.hget(keyspace.WEBHOOK_SECRETS, field))
                pipe.multi()
                if held is not None:
                    old = f"{to_ms(until)}:{held.decode()}"
                    pipe.hset(keyspace.OLD_WEBHOOK_SECRETS, field, old)
                pipe.hset(keyspace.WEBHOOK_SECRETS, field, secret)
                try:
                    pipe.execute()
                except redis.WatchError:
                    continue
                return until

    def all(self, gate: str, subscriber_id: str, now: datetime) -> list[str]:
        """Return the secrets that sign bodies at `now`, the newest first."""
        field = keyspace.of_subscriber(gate, subscriber_id)
        pipe = self._client.pipeline(transaction=False)
        pipe.hget(keyspace.WEBHOOK_SECRETS, field)
        pipe.hget(keyspace.OLD_WEBHOOK_SECRETS, field)
        current, old = pipe.execute()
        secrets = [current.decode()] if current else []
        if old:
            until, _, secret = old.decode().partition(":")
            if now < from_ms(until):
                secrets.append(secret)
            else:
                self._client.hdel(keyspace.OLD_WEBHOOK_SECRETS, field)
        return secrets
