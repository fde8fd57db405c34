"""Notices: messages that are written once, however often they are found to be due."""

import redis

from cloud.contract import Delivery
from cloud.store import keyspace
from cloud.store.acceptance import BatchBuilder
from cloud.store.connection import translates_redis_errors
from cloud.store.transaction import WRITE, Batch, WriteOutcome, written


@translates_redis_errors
class Notices:
    """Writes deliveries whose id names their subject."""

    def __init__(self, client: redis.Redis, batches: BatchBuilder) -> None:
        self._batches = batches
        self._write = client.register_script(WRITE)

    def add(self, notice: Delivery) -> bool:
        """Write a delivery with its job; return False if one of its id was written before."""
        batch = Batch()
        self._batches.add_deliveries(batch, [notice], notice.created_at)
        reply = self._write(keys=[keyspace.delivery(notice.id)], args=batch.arguments)
        return written(reply).outcome is WriteOutcome.WRITTEN
