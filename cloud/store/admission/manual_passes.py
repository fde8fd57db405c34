"""Manual passes: passes that people make, written with an entry of the audit trail."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import redis

from cloud.contract import Delivery, IssuedPass
from cloud.store import keyspace
from cloud.store.acceptance import BatchBuilder
from cloud.store.connection import translates_redis_errors
from cloud.store.moments import to_ms
from cloud.store.reports.audit import entry
from cloud.store.transaction import WRITE, Batch, Preconditions, WriteOutcome, written


@translates_redis_errors
class ManualPasses:
    """Writes passes that follow from no event. Afterwards they are like other passes."""

    def __init__(
        self,
        client: redis.Redis,
        batches: BatchBuilder,
        retention: timedelta,
        audit_retention: timedelta,
    ) -> None:
        self._batches = batches
        self._retention = retention
        self._audit_retention = audit_retention
        self._write = client.register_script(WRITE)

    def add(
        self,
        issued: IssuedPass,
        gate: str,
        why: Mapping[str, str],
        deliveries: Sequence[Delivery],
        now: datetime,
        *,
        preconditions: Preconditions,
    ) -> WriteOutcome:
        """Write the pass, its entry in the audit trail and its deliveries, all or nothing.

        Args:
            issued: the pass.
            gate: where it is good.
            why: the entry, as `audit.fields_of` returns it. Its actor and reason are kept with the
                pass too.
            deliveries: messages that tell of the pass.
            now: the present.
            preconditions: what must still hold for the pass to be written.

        Returns:
            WRITTEN; EXISTS where there is a pass of this id; STALE where the preconditions do not
            hold.
        """
        batch = Batch(preconditions)
        self._batches.add_pass(batch, issued, gate, now)
        record = keyspace.pass_(issued.id)
        batch.add("HSET", record, "made_by", why["actor"], "reason", why.get("reason", ""))
        batch.append(
            (keyspace.manual_passes(), keyspace.manual_passes(gate)),
            record,
            str(max(to_ms(now - self._retention), 0)),
            {"id": str(issued.id)},
        )
        batch.add(*entry(why, now - self._audit_retention))
        self._batches.add_deliveries(batch, deliveries, now)
        reply = self._write(keys=[record], args=batch.arguments)
        return written(reply).outcome
