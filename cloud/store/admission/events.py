"""Events: accepted in one write, read by id and page by page."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

import redis

from cloud.contract import Access, EventRecord, Label
from cloud.store import keyspace, policy_context
from cloud.store.acceptance import Acceptance, BatchBuilder, Receipt, receipt, token_key
from cloud.store.connection import translates_redis_errors
from cloud.store.policy_context import PolicyContext
from cloud.store.records import Fields, StoredPass, event_record
from cloud.store.streams import Span, read_backwards
from cloud.store.transaction import WRITE, WriteOutcome, written


@translates_redis_errors
class Events:
    """Events by id, as a stream of all, and as a stream for each gate."""

    def __init__(self, client: redis.Redis, batches: BatchBuilder) -> None:
        self._client = client
        self._batches = batches
        self._write = client.register_script(WRITE)

    def policy_context(self, gate: str) -> PolicyContext:
        """Return what a decision on an event at this gate depends on, in one round trip."""
        commands = policy_context.reading("", gate)
        pipe = self._client.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)  # type: ignore[no-untyped-call]
        return policy_context.read(commands, pipe.execute())

    def add(self, acceptance: Acceptance) -> Receipt | WriteOutcome:
        """Write event, pass, deliveries and jobs, all or nothing.

        Returns:
            WRITTEN; STALE where the policy context has changed since the acceptance was made; the
            receipt of the event, where one of this id was written before.
        """
        batch = self._batches.for_event(acceptance)
        done = written(
            self._write(keys=[keyspace.event(acceptance.event.id)], args=batch.arguments)
        )
        if done.outcome is not WriteOutcome.EXISTS:
            return done.outcome
        kept_at = token_key(done.record)
        token = cast(bytes | None, self._client.get(kept_at)) if kept_at else None
        return receipt(done.record, token)

    def get(self, event_id: UUID, now: datetime) -> EventRecord | None:
        """Return the event as it is at `now`, or None."""
        fields = cast(Fields, self._client.hgetall(keyspace.event(event_id)))
        return self._records([fields], now)[0] if fields else None

    def trace(self, event_id: UUID) -> str:
        """Return the trace of the event's acceptance; empty where there is none."""
        held = cast(bytes | None, self._client.hget(keyspace.event(event_id), "trace"))
        return held.decode() if held else ""

    def page(
        self,
        *,
        gate: str | None,
        access: Access | None,
        label: Label | None,
        before: str | None,
        limit: int,
        now: datetime,
        device: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> tuple[list[EventRecord], str | None]:
        """Return up to `limit` events, newest first, and the cursor to read on from.

        `since` and `until` bound when the events were accepted: from then, up to before then.
        """
        wanted = {b"access": access, b"label": label, b"device": device}
        page = read_backwards(
            self._client,
            keyspace.events(gate),
            before,
            {name: str(value) for name, value in wanted.items() if value is not None},
            limit,
            span=Span.of(since, until),
        )
        pipe = self._client.pipeline(transaction=False)
        for _, entry in page.entries:
            pipe.hgetall(keyspace.event(UUID(entry[b"id"].decode())))
        # Trimming is by whole nodes of the stream, so an entry may outlive its record.
        held = [fields for fields in pipe.execute() if fields]
        return self._records(held, now), page.next_cursor

    def _records(self, kept: Sequence[Fields], now: datetime) -> list[EventRecord]:
        ids = [UUID(fields[b"pass"].decode()) if fields[b"pass"] else None for fields in kept]
        pipe = self._client.pipeline(transaction=False)
        for pass_id in ids:
            if pass_id is not None:
                pipe.hgetall(keyspace.pass_(pass_id))
        passes = iter(pipe.execute())
        records = []
        for fields, pass_id in zip(kept, ids, strict=True):
            held = next(passes) if pass_id is not None else None
            stored = StoredPass.read(pass_id, held) if pass_id is not None and held else None
            records.append(event_record(fields, stored, now))
        return records
