"""Readings: the state of the store for the metrics, read from each Redis in one round trip."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import redis

from cloud.contract import Device
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.moments import from_ms
from cloud.store.sites.devices import devices_from

DATA: Final = "data"
QUEUE: Final = "queue"
"""The Redis of CLOUD_QUEUE_URL, where it is another one."""


@dataclass(frozen=True, slots=True)
class RedisState:
    """The state of one Redis (https://redis.io/docs/latest/commands/info/).

    Attributes:
        memory_bytes: `used_memory`.
        memory_limit_bytes: `maxmemory`; 0 means that there is no limit.
        log_is_written: whether the last write and the last rewrite of the append-only file
            succeeded; None where there is no such file.
    """

    memory_bytes: int
    memory_limit_bytes: int
    log_is_written: bool | None


@dataclass(frozen=True, slots=True)
class Reading:
    """The store at one moment.

    Attributes:
        devices: all that are enrolled, the oldest first; revoked ones too.
        backed_up_at: when the last backup that succeeded was begun; None before the first.
        redis: by DATA and QUEUE; a Redis whose user may not ask for INFO is left out.
    """

    devices: list[Device]
    backed_up_at: datetime | None
    redis: Mapping[str, RedisState]


@translates_redis_errors
class Readings:
    """Takes readings."""

    def __init__(self, client: redis.Redis, queue_client: redis.Redis) -> None:
        self._client = client
        self._queue_client = queue_client

    def take(self) -> Reading:
        """Read everything: one round trip to the data, and one to a queue elsewhere."""
        pipe = self._client.pipeline(transaction=False)
        pipe.hvals(keyspace.DEVICES)
        pipe.hgetall(keyspace.HEARTBEATS)
        pipe.hgetall(keyspace.ABSENCES)
        pipe.get(keyspace.LAST_BACKUP)
        answers = _answers(_ask_for_info(pipe), needed=4)
        documents, signs, announced, backed_up = answers[:4]
        states = {DATA: _state(*answers[4:])}
        if self._queue_client is not self._client:
            pipe = self._queue_client.pipeline(transaction=False)
            states[QUEUE] = _state(*_answers(_ask_for_info(pipe), needed=0))
        return Reading(
            devices=devices_from(documents, signs, announced),
            backed_up_at=from_ms(backed_up) if backed_up else None,
            redis={name: state for name, state in states.items() if state is not None},
        )


def _ask_for_info(pipe: Any) -> Any:
    return pipe.info("memory").info("persistence")


def _answers(pipe: Any, needed: int) -> list[Any]:
    """Return the answers of a pipeline; raise only an error that is among the first `needed`."""
    answers: list[Any] = pipe.execute(raise_on_error=False)
    for answer in answers[:needed]:
        if isinstance(answer, redis.RedisError):
            raise answer
    return answers


def _state(memory: Any, persistence: Any) -> RedisState | None:
    """Read two sections of INFO; None where the user may not ask for them (ACL, a rented Redis)."""
    if isinstance(memory, redis.RedisError) or isinstance(persistence, redis.RedisError):
        return None
    return RedisState(
        memory_bytes=int(memory.get("used_memory", 0)),
        memory_limit_bytes=int(memory.get("maxmemory", 0)),
        log_is_written=_log_is_written(persistence),
    )


def _log_is_written(persistence: Mapping[str, Any]) -> bool | None:
    if not persistence.get("aof_enabled"):
        return None
    last = (persistence.get(f"aof_last_{act}_status", "ok") for act in ("write", "bgrewrite"))
    return all(status == "ok" for status in last)
