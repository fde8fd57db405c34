"""Deliveries: what was to be told to whom, and what became of it."""

from datetime import datetime
from typing import cast

import redis

from cloud.contract import Delivery, DeliveryStatus
from cloud.store import keyspace, records
from cloud.store.connection import at_the_door
from cloud.store.moments import to_ms
from cloud.store.records import Fields
from cloud.store.scripts import AMEND
from cloud.store.streams import BATCH, SCANNED_AT_MOST, backwards


@at_the_door
class Deliveries:
    """Deliveries by id, as a stream of all, and as a stream for each gate."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._amend = client.register_script(AMEND)

    def get(self, delivery_id: str) -> Delivery | None:
        """Return the delivery, or None."""
        fields = cast(Fields, self._client.hgetall(keyspace.delivery(delivery_id)))
        return records.delivery(fields) if fields else None

    def settle(
        self, delivery_id: str, status: DeliveryStatus, now: datetime, detail: str = ""
    ) -> bool:
        """Write what became of a pending delivery; return False if it was settled before."""
        return bool(
            self._amend(
                keys=[keyspace.delivery(delivery_id)],
                args=[
                    "status",
                    DeliveryStatus.PENDING.value,
                    *("status", status.value),
                    *("detail", detail),
                    *("settled_at", to_ms(now)),
                ],
            )
        )

    def page(
        self, *, gate: str | None, status: DeliveryStatus | None, before: str | None, limit: int
    ) -> tuple[list[Delivery], str | None]:
        """Return up to `limit` deliveries, newest first, and the cursor to read on from."""
        found: list[Delivery] = []
        cursor = before
        scanned = 0
        while True:
            # Status changes, so it is in the record and not in the stream.
            size = limit if status is None else BATCH
            window = backwards(self._client, keyspace.deliveries(gate), cursor, {}, size)
            pipe = self._client.pipeline(transaction=False)
            for _, entry in window.entries:
                pipe.hgetall(keyspace.delivery(entry[b"id"].decode()))
            for (entry_id, _), fields in zip(window.entries, pipe.execute(), strict=True):
                if not fields or (status and fields[b"status"] != status.encode()):
                    continue
                if len(found) == limit:
                    return found, cursor
                found.append(records.delivery(fields))
                cursor = entry_id
            scanned += len(window.entries)
            if window.read_on is None or status is None or scanned >= SCANNED_AT_MOST:
                return found, window.read_on
            cursor = window.read_on
