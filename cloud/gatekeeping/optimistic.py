"""Optimistic concurrency: read, decide, and write only if what was read still holds.

The store reads a policy context (key, gate, subscribers, visitors) and returns it with
preconditions. A decision is made without a lock. The script that writes the decision compares the
preconditions by value, in the same step. Where they no longer hold, nothing is written, and the
decision is made again on a fresh context.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol, TypeVar

from cloud.errors import RequestRefused
from cloud.store import (
    Acceptance,
    Attempt,
    PolicyContext,
    Receipt,
    RedemptionResult,
    StoredPass,
    WriteOutcome,
)

R = TypeVar("R")


class GateStore(Protocol):
    """The calls of a store that the rule of the door needs."""

    def cached_context(self, key_id: str, gate: str | None) -> PolicyContext | None:
        """Return the context that this process read last, if it has one."""

    async def read_context(self, key_id: str, gate: str | None) -> PolicyContext:
        """Read the context of a key and of a gate; without `gate`, of the key's own gate."""

    async def add(self, acceptance: Acceptance) -> Receipt | WriteOutcome:
        """Write an accepted event; return the receipt of the event that has its id already."""

    async def of_token(self, token: str) -> StoredPass | None:
        """Return the pass that a token belongs to."""

    async def redeem(self, attempt: Attempt) -> RedemptionResult | None:
        """Redeem a pass; return None where the preconditions of the attempt do not hold."""


async def decided(
    store: GateStore,
    key_id: str,
    gate: str | None,
    attempt: Callable[[PolicyContext], Awaitable[R | None]],
) -> R:
    """Return the result of the first attempt whose preconditions held.

    Args:
        store: The store.
        key_id: The id of the key, account or chat that asks.
        gate: The gate; None for the key's own.
        attempt: Decides on a context and writes the decision. It returns None where the store
            wrote nothing because the preconditions no longer held.

    Returns:
        The result of `attempt`. Nobody is refused on a cached context: after a refusal the context
        is read, and the attempt is made again.
    """
    cached = store.cached_context(key_id, gate)
    if cached is not None:
        with suppress(RequestRefused):
            result = await attempt(cached)
            if result is not None:
                return result
    while True:
        result = await attempt(await store.read_context(key_id, gate))
        if result is not None:
            return result
