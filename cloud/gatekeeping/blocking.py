"""The rule of the door for callers that run in threads, such as the bot."""

import asyncio
from datetime import datetime

from cloud.contract import Redemption
from cloud.gatekeeping.redemption import Scan, redeem
from cloud.store import (
    Acceptance,
    Attempt,
    PolicyContext,
    Receipt,
    RedemptionResult,
    Store,
    StoredPass,
    WriteOutcome,
)


class BlockingGateStore:
    """A `GateStore` over the store that blocks. Its coroutines never suspend.

    Args:
        store: The store that blocks.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def cached_context(self, key_id: str, gate: str | None) -> PolicyContext | None:  # noqa: ARG002
        """Return None: nothing is cached."""
        return None

    async def read_context(self, key_id: str, gate: str | None) -> PolicyContext:  # noqa: ARG002
        """Read the context of a gate, without a key."""
        return self._store.events.policy_context(gate or "")

    async def add(self, acceptance: Acceptance) -> Receipt | WriteOutcome:
        """Write an accepted event; see `Events.add`."""
        return self._store.events.add(acceptance)

    async def of_token(self, token: str) -> StoredPass | None:
        """Return the pass that a token belongs to."""
        return self._store.passes.of_token(token)

    async def redeem(self, attempt: Attempt) -> RedemptionResult | None:
        """Redeem a pass; see `Passes.redeem`."""
        return self._store.passes.redeem(attempt)


def redeem_in_thread(store: Store, scan: Scan, now: datetime) -> Redemption:
    """Redeem a pass from a thread that runs no event loop.

    Args:
        store: The store.
        scan: The scanned code, by whom and where.
        now: The time of the attempt.

    Returns:
        The outcome of the attempt.

    Raises:
        GateUnknown: There is no such gate, so nobody is admitted there.
    """
    return asyncio.run(
        redeem(
            BlockingGateStore(store), lambda _: scan, key_id=scan.key_id, gate=scan.gate, now=now
        )
    )
