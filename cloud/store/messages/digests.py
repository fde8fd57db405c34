"""Digests: deliveries to one mail address that wait to be sent as one mail."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

import redis

from cloud.contract import Delivery, DeliveryStatus
from cloud.store import keyspace, records
from cloud.store.connection import translates_redis_errors
from cloud.store.moments import from_ms, to_ms

MEMORY = timedelta(days=2)
"""Longer than a cooldown, quiet hours or the tries at a delivery last."""


@translates_redis_errors
class Digests:
    """The deliveries that wait, by gate and address, and the time of the last mail."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def join(self, delivery: Delivery) -> None:
        """Add a delivery to its digest."""
        key = keyspace.digest(delivery.gate, delivery.address)
        self._client.zadd(key, {delivery.id: to_ms(delivery.created_at)})
        self._client.expire(key, MEMORY)

    def last_sent_at(self, gate: str, address: str) -> datetime | None:
        """Return when the last mail was sent; None where that is longer ago than MEMORY."""
        held = cast(bytes | None, self._client.get(keyspace.digest_sent(gate, address)))
        return from_ms(held) if held else None

    def hold(self, gate: str, address: str, lease: timedelta) -> bool:
        """Lock an address for this worker; return False if another worker holds the lock."""
        key = keyspace.digest_lock(gate, address)
        return bool(self._client.set(key, "1", nx=True, px=lease))

    def release(self, gate: str, address: str) -> None:
        """Release the lock on an address."""
        self._client.delete(keyspace.digest_lock(gate, address))

    def waiting(self, gate: str, address: str) -> list[Delivery]:
        """Return the deliveries that are still to be sent, the oldest first."""
        ids = cast(list[bytes], self._client.zrange(keyspace.digest(gate, address), 0, -1))
        pipe = self._client.pipeline(transaction=False)
        for each in ids:
            pipe.hgetall(keyspace.delivery(each.decode()))
        held = [records.delivery(fields) for fields in pipe.execute() if fields]
        return [delivery for delivery in held if delivery.status is DeliveryStatus.PENDING]

    def settle(self, deliveries: Sequence[Delivery], now: datetime, detail: str) -> None:
        """Write that these deliveries were sent as one mail, all or nothing."""
        gate, address = deliveries[0].gate, deliveries[0].address
        with self._client.pipeline() as pipe:
            for delivery in deliveries:
                pipe.hset(
                    keyspace.delivery(delivery.id),
                    mapping={
                        "status": DeliveryStatus.SENT.value,
                        "detail": detail,
                        "settled_at": to_ms(now),
                        "held_until": 0,
                    },
                )
                pipe.zrem(keyspace.digest(gate, address), delivery.id)
            pipe.set(keyspace.digest_sent(gate, address), to_ms(now), ex=MEMORY)
            pipe.execute()

    def drop(self, delivery: Delivery) -> None:
        """Remove a delivery that will not be sent from its digest."""
        self._client.zrem(keyspace.digest(delivery.gate, delivery.address), delivery.id)
