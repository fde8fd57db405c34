"""The store for the direct routes: asyncio, and one round trip a request.

It writes the same data as `Store`, with the same scripts and the same `BatchBuilder`.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from cloud.settings import Settings
from cloud.store import keyspace, policy_context
from cloud.store.acceptance import Acceptance, BatchBuilder, Receipt, receipt, token_key
from cloud.store.admission.passes import Attempt, RedemptionResult
from cloud.store.command_pipeline import CommandPipeline
from cloud.store.connection import connect_async, translating_async
from cloud.store.policy_context import ContextCache, PolicyContext
from cloud.store.records import StoredPass
from cloud.store.scripts import REDEEM
from cloud.store.tokens import sha256_of
from cloud.store.transaction import WRITE, WriteOutcome, written


class AsyncStore:
    """Events accepted and passes redeemed. Making it connects to nothing."""

    def __init__(self, client: Redis, batches: BatchBuilder, retention: timedelta) -> None:
        self._client = client
        self._retention = retention
        self._pipeline = CommandPipeline(client)
        self._batches = batches
        self._cache = ContextCache()

    @classmethod
    def open(cls, settings: Settings, batches: BatchBuilder) -> Self:
        """Return a store on the Redis that the settings name."""
        retention = timedelta(days=settings.retention_days)
        return cls(connect_async(settings.redis_url.get_secret_value()), batches, retention)

    def cached_context(self, key_id: str, gate: str | None = None) -> PolicyContext | None:
        """Return the context that this process read last for a key and a gate.

        Args:
            key_id: The id of the key.
            gate: The gate; None for the key's own.

        Returns:
            The context; None where none is cached. A decision may rest on it, because its
            preconditions are compared when it is written; a refusal may not.
        """
        return self._cache.get(key_id, gate)

    @translating_async
    async def read_context(self, key_id: str, gate: str | None = None) -> PolicyContext:
        """Read the context of a key and of a gate; without `gate`, of the key's own gate."""
        self._cache.discard(key_id, gate)
        document = await self._pipeline.run("HGET", keyspace.KEYS, key_id)
        at = gate or policy_context.gate_of(document)
        commands = policy_context.reading(key_id, at)
        replies = await asyncio.gather(*(self._pipeline.run(*command) for command in commands))
        context = policy_context.read(commands, replies)
        self._cache.put(key_id, gate, context)
        return context

    @translating_async
    async def add(self, acceptance: Acceptance) -> Receipt | WriteOutcome:
        """Write an event with everything that follows from it; see `Events.add`."""
        batch = self._batches.for_event(acceptance)
        record = keyspace.event(acceptance.event.id)
        done = written(await self._script(_WRITE, [record], batch.arguments))
        if done.outcome is not WriteOutcome.EXISTS:
            return done.outcome
        kept_at = token_key(done.record)
        return receipt(done.record, await self._pipeline.run("GET", kept_at) if kept_at else None)

    @translating_async
    async def redeem(self, attempt: Attempt) -> RedemptionResult | None:
        """Redeem a pass; see `Passes.redeem`."""
        arguments = attempt.arguments(self._batches, self._retention)
        reply = await self._script(_REDEEM, attempt.keys(), arguments)
        return RedemptionResult.read(reply, attempt.gate)

    @translating_async
    async def of_token(self, token: str) -> StoredPass | None:
        """Return the pass that a token belongs to, or None."""
        held = await self._pipeline.run("GET", keyspace.token(sha256_of(token)))
        if held is None:
            return None
        pass_id = UUID(held.decode())
        flat = await self._pipeline.run("HGETALL", keyspace.pass_(pass_id))
        return StoredPass.read(pass_id, flat) if flat else None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _script(
        self, script: "_Script", keys: Sequence[str], arguments: Sequence[Any]
    ) -> Any:
        try:
            return await self._pipeline.run("EVALSHA", script.sha1, len(keys), *keys, *arguments)
        except NoScriptError:
            # A Redis that was started anew, or another one since a failover.
            return await self._pipeline.run("EVAL", script.text, len(keys), *keys, *arguments)


class _Script:
    def __init__(self, text: str) -> None:
        self.text = text
        self.sha1 = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


_WRITE = _Script(WRITE)
_REDEEM = _Script(REDEEM)
