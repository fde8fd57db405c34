"""Limits on tries, which all API processes share: the counters are in Redis."""

import time
from functools import cached_property
from typing import Any, Final

import redis

from cloud.errors import RateLimited
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors

SIGN_INS_OF_AN_ACCOUNT: Final = "10 per 15 minutes"
"""Tries at one name, right or wrong: about a thousand a day, against passwords that stand 10^8
guesses."""

SIGN_INS_OF_AN_ADDRESS: Final = "30 per 15 minutes"
"""Tries from one address, at any names."""

ENROLMENTS_OF_AN_ADDRESS: Final = "30 per 15 minutes"
"""Enrolment codes tried from one address."""

SCREENS_OF_A_CALLER: Final = "60 per 15 minutes"
"""Screens that ask to be paired, through one dashboard."""

SCREEN_CODES_OF_A_CALLER: Final = "30 per 15 minutes"
"""Codes of screens that one operator types, right or wrong."""

TESTS_OF_A_SUBSCRIBER: Final = "5 per minute"
"""Test messages to one subscriber, whoever sends them."""


@translates_redis_errors
class Limits:
    """Counts tries in fixed windows of time."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def count(self, limit: str, what: str, who: str) -> None:
        """Count one try.

        Args:
            limit: how many tries in what time, in the notation of the library `limits`.
            what: the thing that is tried.
            who: by whom.

        Raises:
            RateLimited: there were too many tries in this window.
        """
        windows, item = self._windows, _item(limit)
        if not windows.hit(item, what, who):
            window = windows.get_window_stats(item, what, who)
            seconds = max(1.0, window.reset_time - time.time())
            raise RateLimited(f"too many tries ({limit}); wait before the next", seconds)

    def forget(self, limit: str, what: str, who: str) -> None:
        """Reset the counter of one limit."""
        self._windows.clear(_item(limit), what, who)

    @cached_property
    def _windows(self) -> Any:
        # Imported here, since every process has a store and only the API limits tries.
        from limits.storage import RedisStorage  # noqa: PLC0415
        from limits.strategies import FixedWindowRateLimiter  # noqa: PLC0415

        # The library takes connections from the pool and ignores the address.
        storage = RedisStorage(
            "redis://", connection_pool=self._client.connection_pool, key_prefix=keyspace.LIMITS
        )
        return FixedWindowRateLimiter(storage)


def _item(limit: str) -> Any:
    from limits import parse  # noqa: PLC0415

    return parse(limit)
