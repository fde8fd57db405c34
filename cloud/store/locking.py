"""Optimistic locking: a read and a write as one step, by Redis' WATCH and MULTI."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import redis

from cloud.errors import GateUnknown
from cloud.store import keyspace

R = TypeVar("R")


def require_gate(pipe: Any, gate_id: str) -> None:
    """Return if a gate exists, as read by a pipeline that watches GATES.

    A record that is written while its gate is deleted would be left behind.

    Raises:
        GateUnknown: there is no such gate.
    """
    if not pipe.hexists(keyspace.GATES, gate_id):
        raise GateUnknown(f"there is no gate {gate_id}")


def check_and_set(client: redis.Redis, work: Callable[[Any], R], *keys: str) -> R:
    """Run a read and a write as one step.

    Args:
        client: the connection.
        work: gets a pipeline that watches `keys`. It reads, calls the pipeline's `multi()` and adds
            the commands that write. Where another process changes one of the keys meanwhile,
            nothing is written and `work` is called again, so it must have no other effect.
        keys: the keys that are read.

    Returns:
        The value that `work` returned in the run that was written.
    """
    # The types of redis-py do not know that `transaction` can return that value.
    run = cast(Callable[..., R], client.transaction)
    return run(work, *keys, value_from_callable=True)
