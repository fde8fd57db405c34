"""Absences: times in which a device is expected to be silent, as an operator announced them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import redis

from cloud.contract.base import Boolean, UtcTime, Wire
from cloud.store import keyspace
from cloud.store.connection import translates_redis_errors
from cloud.store.locking import check_and_set
from cloud.store.records import parsed


class Absence(Wire):
    """Until when a device may be silent, and whether it was silent for long enough to be missed.

    An absence is kept beside the device's record. A process of an earlier version rewrites that
    record without the fields that it does not know.
    """

    until: UtcTime
    begun: Boolean = False


@translates_redis_errors
class Absences:
    """Announced absences, by device."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def announce(self, device_id: str, until: datetime) -> None:
        """Announce that a device is silent until then; replaces an earlier announcement."""

        def write(pipe: Any) -> None:
            held = pipe.hget(keyspace.ABSENCES, device_id)
            begun = parsed(Absence, held).begun if held else False
            absence = Absence(until=until, begun=begun)
            pipe.multi()
            pipe.hset(keyspace.ABSENCES, device_id, absence.model_dump_json())

        check_and_set(self._client, write, keyspace.ABSENCES)

    def cancel(self, device_id: str) -> None:
        """Cancel the announced absence of a device."""
        self._client.hdel(keyspace.ABSENCES, device_id)

    def begin(self, device_id: str) -> bool:
        """Note that an announced absence has begun; return False if it had, or was cancelled."""

        def write(pipe: Any) -> bool:
            held = pipe.hget(keyspace.ABSENCES, device_id)
            absence = parsed(Absence, held) if held else None
            if absence is None or absence.begun:
                return False
            pipe.multi()
            begun = absence.model_copy(update={"begun": True})
            pipe.hset(keyspace.ABSENCES, device_id, begun.model_dump_json())
            return True

        return check_and_set(self._client, write, keyspace.ABSENCES)

    def end(self, device_id: str, at: datetime) -> bool:
        """Remove the absence of a device that is back, or whose absence is over.

        An absence that has not begun stays: the device is still to be switched off.

        Returns:
            Whether an absence was removed.
        """

        def write(pipe: Any) -> bool:
            held = pipe.hget(keyspace.ABSENCES, device_id)
            absence = parsed(Absence, held) if held else None
            if absence is None or not (absence.begun or absence.until <= at):
                return False
            pipe.multi()
            pipe.hdel(keyspace.ABSENCES, device_id)
            return True

        return check_and_set(self._client, write, keyspace.ABSENCES)


def until(absences: Mapping[bytes, bytes], device_id: str) -> datetime | None:
    """Return until when a device may be silent, from the hash `keyspace.ABSENCES`."""
    held = absences.get(device_id.encode())
    return parsed(Absence, held).until if held else None
