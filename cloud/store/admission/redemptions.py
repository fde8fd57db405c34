"""Redemptions: every attempt to use a pass, as the script REDEEM wrote it."""

from collections.abc import Mapping
from datetime import datetime
from typing import cast
from uuid import UUID

import redis

from cloud.contract import Outcome, RedemptionAttempt
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.moments import from_ms
from cloud.store.records import Fields
from cloud.store.streams import Span, read_backwards


@translates_redis_errors
class Redemptions:
    """Attempts, as one stream of all and one of each gate, trimmed by age.

    An attempt holds neither the token nor its hash.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def page(
        self,
        *,
        gate: str | None = None,
        outcome: Outcome | None = None,
        scanner: str | None = None,
        pass_id: UUID | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> tuple[list[RedemptionAttempt], str | None]:
        """Return up to `limit` attempts, newest first, and the cursor to read on from.

        Args:
            gate: at this gate alone.
            outcome: with this outcome alone.
            scanner: by the key, account or chat with this id alone.
            pass_id: of this pass alone.
            since: made then or later.
            until: made before then.
            before: the cursor of the page before.
            limit: how many at most.
        """
        wanted: Mapping[bytes, object | None] = {
            b"outcome": outcome,
            b"key": scanner,
            b"pass": pass_id,
        }
        page = read_backwards(
            self._client,
            keyspace.redemptions(gate),
            before,
            {name: str(value) for name, value in wanted.items() if value is not None},
            limit,
            span=Span.of(since, until),
        )
        undone = self._undone([cursor for cursor, _ in page.entries])
        return [
            _attempt(cursor, fields, undone.get(cursor)) for cursor, fields in page.entries
        ], page.next_cursor

    def _undone(self, cursors: list[str]) -> dict[str, datetime]:
        """Return when those of these redemptions that were undone were undone."""
        if not cursors:
            return {}
        keys = [keyspace.undone(cursor) for cursor in cursors]
        moments = cast(list[bytes | None], self._client.mget(keys))
        return {
            cursor: from_ms(moment)
            for cursor, moment in zip(cursors, moments, strict=True)
            if moment is not None
        }


def _attempt(cursor: str, fields: Fields, undone_at: datetime | None) -> RedemptionAttempt:
    told = {name.decode(): value.decode() for name, value in fields.items()}
    return RedemptionAttempt(
        cursor=cursor,
        at=from_ms(told["at"]),
        gate=told["gate"],
        outcome=Outcome(told["outcome"]),
        scanner=told["key"],
        scanner_name=told["name"],
        role=told["role"],
        nonce=told["nonce"],
        pass_id=UUID(told["pass"]) if told["pass"] else None,
        undone_at=undone_at,
        admitted_offline_at=from_ms(offline) if (offline := told.get("admitted_at")) else None,
    )
