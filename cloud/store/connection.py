"""The door to Redis: how it is reached, and where its errors become ours."""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from cloud.errors import StoreFault, StoreUnavailable

SOCKET_TIMEOUT_S = 3.0
"""Redis answers in well under a millisecond; one that takes longer than this hangs."""

CONNECT_TIMEOUT_S = 2.0

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)


def connect(url: str) -> redis.Redis:
    """Return a client that connects when it is first used.

    One immediate second try serves the case of a pooled connection that Redis has closed since;
    waiting any longer is left to the caller, who is told by the 503.
    """
    return redis.Redis.from_url(
        url,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        health_check_interval=30,
        retry=Retry(NoBackoff(), 1),
    )


ASYNC_CONNECTIONS = 64
"""At most so many requests of one process are with Redis at a time; the rest wait their turn."""


def connect_async(url: str) -> redis.asyncio.Redis:
    """Return a client for asyncio that does as that of `connect`."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=ASYNC_CONNECTIONS,
        timeout=SOCKET_TIMEOUT_S,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        health_check_interval=30,
        retry=AsyncRetry(NoBackoff(), 1),
    )
    return redis.asyncio.Redis.from_pool(pool)


_AWAY = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
)


def translating(call: Callable[P, R]) -> Callable[P, R]:
    """Wrap `call` so that errors of redis leave it as errors of the store."""

    @functools.wraps(call)
    def translated(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except redis.RedisError as error:
            raise _ours(error) from error

    return translated


def translating_async(
    call: Callable[P, Coroutine[Any, Any, R]],
) -> Callable[P, Coroutine[Any, Any, R]]:
    """Do as `translating` does, for a coroutine."""

    @functools.wraps(call)
    async def translated(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await call(*args, **kwargs)
        except redis.RedisError as error:
            raise _ours(error) from error

    return translated


def _ours(error: redis.RedisError) -> StoreUnavailable | StoreFault:
    if isinstance(error, _AWAY):
        return StoreUnavailable(f"the store is away: {error}")
    return StoreFault(f"the store refused: {error}")


def at_the_door(shelf: C) -> C:
    """Class decorator: every public method of `shelf` raises errors of the store alone."""
    for name, member in list(vars(shelf).items()):
        if inspect.isfunction(member) and not name.startswith("_"):
            setattr(shelf, name, translating(member))
    return shelf
