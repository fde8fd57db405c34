"""Outages: devices that are silent, and the deliveries that tell of them, each written once."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import redis

from cloud.contract import Delivery
from cloud.store import keyspace
from cloud.store.acceptance import BatchBuilder
from cloud.store.connection import translates_redis_errors
from cloud.store.moments import from_ms, to_ms
from cloud.store.transaction import RUN, WRITE, Batch, WriteOutcome, written

END = (
    RUN
    + """
-- Remove an outage and write the messages of its end; do nothing if there is no outage.
-- KEYS: outage, devices that are silent; ARGV: device, commands (JSON)
if redis.call('DEL', KEYS[1]) == 0 then return 0 end
redis.call('SREM', KEYS[2], ARGV[1])
run(ARGV[2])
return 1
"""
)


@translates_redis_errors
class Outages:
    """Present outages, by device: the time of the device's last heartbeat."""

    def __init__(self, client: redis.Redis, batches: BatchBuilder) -> None:
        self._client = client
        self._batches = batches
        self._write = client.register_script(WRITE)
        self._end = client.register_script(END)

    def all(self) -> dict[str, datetime]:
        """Return the present outages: since when, by device."""
        pipe = self._client.pipeline(transaction=False)
        devices = cast(set[bytes], self._client.smembers(keyspace.OUTAGES))
        ids = sorted(device.decode() for device in devices)
        for device_id in ids:
            pipe.get(keyspace.outage(device_id))
        found = zip(ids, pipe.execute(), strict=True)
        return {device_id: from_ms(since) for device_id, since in found if since}

    def begin(
        self, device_id: str, since: datetime, deliveries: Sequence[Delivery], now: datetime
    ) -> bool:
        """Write an outage with its messages; return False if it was written before."""
        batch = Batch()
        batch.add("SET", keyspace.outage(device_id), to_ms(since))
        batch.add("SADD", keyspace.OUTAGES, device_id)
        self._batches.add_deliveries(batch, deliveries, now)
        reply = self._write(keys=[keyspace.outage(device_id)], args=batch.arguments)
        return written(reply).outcome is WriteOutcome.WRITTEN

    def end(self, device_id: str, deliveries: Sequence[Delivery], now: datetime) -> bool:
        """End an outage, and write its messages; return False if it was ended before."""
        batch = Batch()
        self._batches.add_deliveries(batch, deliveries, now)
        keys = [keyspace.outage(device_id), keyspace.OUTAGES]
        return bool(self._end(keys=keys, args=[device_id, batch.commands]))
