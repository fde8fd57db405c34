"""Limits that the whole fleet of API processes shares, counted in Redis."""

import time
from functools import cached_property
from typing import Any, Final

import redis

from cloud.errors import RateLimited
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors

SIGN_INS_OF_AN_ACCOUNT: Final = "10 per 15 minutes"
"""Tries at one name, right or wrong ones: a thousand a day, against passwords of 10^8 guesses."""

SIGN_INS_OF_AN_ADDRESS: Final = "30 per 15 minutes"
"""Tries from one address, whatever the names."""

ENROLMENTS_OF_AN_ADDRESS: Final = "30 per 15 minutes"
"""Enrolment codes tried from one address."""

TESTS_OF_A_SUBSCRIBER: Final = "5 per minute"
"""Test messages to one subscriber, whoever asks for them."""


@translates_redis_errors
class Limits:
    """How often somebody has tried something lately."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def count(self, limit: str, what: str, who: str) -> None:
        """Count one try of `what` by `who`; raise RateLimited when there were too many."""
        windows, item = self._windows, _item(limit)
        if not windows.hit(item, what, who):
            window = windows.get_window_stats(item, what, who)
            seconds = max(1.0, window.reset_time - time.time())
            raise RateLimited(f"too many tries ({limit}); wait before the next", seconds)

    def forget(self, limit: str, what: str, who: str) -> None:
        """Begin to count anew."""
        self._windows.clear(_item(limit), what, who)

    @cached_property
    def _windows(self) -> Any:
        # Imported here: every process has a store, and only the API limits anything.
        from limits.storage import RedisStorage  # noqa: PLC0415
        from limits.strategies import FixedWindowRateLimiter  # noqa: PLC0415

        # The pool is the client's; the address is not looked at.
        storage = RedisStorage(
            "redis://", connection_pool=self._client.connection_pool, key_prefix=keyspace.LIMITS
        )
        return FixedWindowRateLimiter(storage)


def _item(limit: str) -> Any:
    from limits import parse  # noqa: PLC0415

    return parse(limit)
