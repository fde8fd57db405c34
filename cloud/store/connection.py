"""The door to Redis: how it is reached, and where its errors become ours."""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import redis
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
        except _AWAY as error:
            raise StoreUnavailable(f"the store is away: {error}") from error
        except redis.RedisError as error:
            raise StoreFault(f"the store refused: {error}") from error

    return translated


def at_the_door(shelf: C) -> C:
    """Class decorator: every public method of `shelf` raises errors of the store alone."""
    for name, member in list(vars(shelf).items()):
        if inspect.isfunction(member) and not name.startswith("_"):
            setattr(shelf, name, translating(member))
    return shelf
