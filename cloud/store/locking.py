"""Optimistic locking: a read and a write as one step, by Redis' WATCH and MULTI."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import redis

from cloud.errors import GateUnknown
from cloud.store import keyspace

R = TypeVar("R")


def require_gate(pipe: Any, gate_id: str) -> None:
    """Return if there is a gate of this id, by a pipeline that watches GATES.

    What is written at a gate that is deleted meanwhile would be left behind.

    Raises:
        GateUnknown: there is none.
    """
    if not pipe.hexists(keyspace.GATES, gate_id):
        raise GateUnknown(f"there is no gate {gate_id}")


def check_and_set(client: redis.Redis, work: Callable[[Any], R], *keys: str) -> R:
    """Return what `work` returns, once what it wrote stands.

    `work` is given a pipeline that watches `keys`. It reads by it, calls its `multi()`, and adds
    the commands that write. Where another process changed one of the keys meanwhile, nothing is
    written and `work` is called again, so it must have no other effect.
    """
    # redis-py's types know of no value that is given back.
    run = cast(Callable[..., R], client.transaction)
    return run(work, *keys, value_from_callable=True)
