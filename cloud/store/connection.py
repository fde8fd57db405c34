"""Connections to Redis, and the translation of its errors."""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel

from cloud.addresses import Service
from cloud.errors import StoreFault, StoreUnavailable

SOCKET_TIMEOUT_S = 3.0
"""Redis answers in well under a millisecond. A Redis that takes longer than this hangs."""

CONNECT_TIMEOUT_S = 2.0

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)


def connect(url: str) -> redis.Redis:
    """Return a client that connects when it is first used.

    A command is tried a second time at once, for a pooled connection that Redis has closed
    meanwhile. Further tries are left to the caller, who gets a 503. With sentinels, each new
    connection asks them for the master.

    Args:
        url: as CLOUD_REDIS_URL.

    Returns:
        The client.
    """
    options: dict[str, Any] = {
        "socket_timeout": SOCKET_TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "health_check_interval": 30,
        "retry": Retry(NoBackoff(), 1),
    }
    service = Service.read(url)
    if service is None:
        return redis.Redis.from_url(url, **options)
    of_data, of_sentinels = _options(service)
    sentinels = Sentinel(service.sentinels, sentinel_kwargs=of_sentinels)  # type: ignore[no-untyped-call]
    master: redis.Redis = sentinels.master_for(  # type: ignore[no-untyped-call]
        service.name, **of_data, **options
    )
    return master


ASYNC_CONNECTIONS = 64
"""Commands of one process that Redis has at a time; the others wait."""


def connect_async(
    url: str, *, answer_within_s: float = SOCKET_TIMEOUT_S, **more: Any
) -> redis.asyncio.Redis:
    """Return a client for asyncio; for the rest see `connect`.

    Args:
        url: as CLOUD_REDIS_URL.
        answer_within_s: how long to wait for one answer.
        more: keyword arguments of redis-py's connections.

    Returns:
        The client.
    """
    options: dict[str, Any] = {
        "socket_timeout": answer_within_s,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "health_check_interval": 30,
        "retry": AsyncRetry(NoBackoff(), 1),
        **more,
    }
    service = Service.read(url)
    if service is None:
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            url, max_connections=ASYNC_CONNECTIONS, timeout=answer_within_s, **options
        )
        return redis.asyncio.Redis.from_pool(pool)
    of_data, of_sentinels = _options(service)
    sentinels = AsyncSentinel(  # type: ignore[no-untyped-call]
        service.sentinels, sentinel_kwargs=of_sentinels
    )
    master: redis.asyncio.Redis = sentinels.master_for(
        service.name, connection_pool_class=_WatchedPool, **of_data, **options
    )
    return master


class _WatchedPool(SentinelConnectionPool):
    """Connections to a master; closing them closes those to its sentinels too."""

    async def aclose(self) -> None:
        await super().aclose()
        for sentinel in self.sentinel_manager.sentinels:
            await sentinel.aclose()


def _options(service: Service) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return redis-py's options for connections to a service's data, and to its sentinels."""
    of_data: dict[str, Any] = dict(parse_url(service.example))  # type: ignore[no-untyped-call]
    of_data.pop("host")
    over_tls = of_data.pop("connection_class", None) is not None
    tls = {name: value for name, value in of_data.items() if name.startswith("ssl_")}
    of_sentinels = {
        **service.logins,
        **tls,
        "ssl": over_tls,
        "socket_timeout": CONNECT_TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
    }
    return {**of_data, "ssl": over_tls}, of_sentinels


_UNAVAILABLE = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.exceptions.ReadOnlyError,
    redis.exceptions.OutOfMemoryError,
)


def translating(call: Callable[P, R]) -> Callable[P, R]:
    """Wrap `call`, so that errors of redis-py leave it as errors of the store."""

    @functools.wraps(call)
    def translated(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return call(*args, **kwargs)
        except redis.RedisError as error:
            raise _translated(error) from error

    return translated


def translating_async(
    call: Callable[P, Coroutine[Any, Any, R]],
) -> Callable[P, Coroutine[Any, Any, R]]:
    """Wrap a coroutine function as `translating` wraps a function."""

    @functools.wraps(call)
    async def translated(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return await call(*args, **kwargs)
        except redis.RedisError as error:
            raise _translated(error) from error

    return translated


def _translated(error: redis.RedisError) -> StoreUnavailable | StoreFault:
    if isinstance(error, _UNAVAILABLE):
        return StoreUnavailable(f"the store is away: {error}")
    return StoreFault(f"the store refused: {error}")


def translates_redis_errors(repository: C) -> C:
    """Decorate a class, so that its public methods raise errors of the store alone."""
    for name, member in list(vars(repository).items()):
        if inspect.isfunction(member) and not name.startswith("_"):
            setattr(repository, name, translating(member))
    return repository
