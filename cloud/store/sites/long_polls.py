"""Long polls: devices that wait in this process for a command."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, Self, cast

import redis
import redis.asyncio

from cloud import availability
from cloud.settings import Settings
from cloud.store import keyspace
from cloud.store.connection import connect_async
from cloud.store.records import Fields

BLOCK_MS: Final = 2000
"""How long Redis holds a read of the wake-ups; shorter than the socket's timeout."""

RETRY_S: Final = 1.0


class LongPolls:
    """Wakes the long polls of this process, by one reader for all of them.

    A device has one long poll. A second one ends the first, so that a device that reconnects often
    holds one place.
    """

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._waiting: dict[str, asyncio.Event] = {}
        self._reader: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Return long polls on the Redis that the settings name; the first wait connects."""
        return cls(connect_async(settings.redis_url.get_secret_value()))

    @contextmanager
    def waiting(self, device_id: str) -> Iterator[asyncio.Event]:
        """Yield an event that is set when there may be a new command for the device."""
        woken = asyncio.Event()
        if (former := self._waiting.pop(device_id, None)) is not None:
            former.set()
        self._waiting[device_id] = woken
        if self._closed:
            woken.set()
        elif self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())
        try:
            yield woken
        finally:
            if self._waiting.get(device_id) is woken:
                del self._waiting[device_id]

    def is_current(self, device_id: str, woken: asyncio.Event) -> bool:
        """Return whether this is still the device's long poll, and the process goes on."""
        return not self._closed and self._waiting.get(device_id) is woken

    def end_all(self) -> None:
        """End every wait, and each that begins later: the process shuts down."""
        self._closed = True
        for woken in self._waiting.values():
            woken.set()

    async def close(self) -> None:
        """End every wait, and close the connection."""
        self.end_all()
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader
        await self._client.aclose()

    async def _read(self) -> None:
        place: bytes | None = None
        while not self._closed:
            try:
                if place is None:
                    last = cast(
                        Any, await self._client.xrevrange(keyspace.COMMAND_WAKEUPS, count=1)
                    )
                    place = last[0][0] if last else b"0-0"
                    # A command before the first read may be for a device that waits already.
                    for woken in self._waiting.values():
                        woken.set()
                read = self._client.xread({keyspace.COMMAND_WAKEUPS: place}, block=BLOCK_MS)
                found: list[tuple[bytes, list[tuple[bytes, Fields]]]] = cast(Any, await read) or []
            except redis.RedisError as error:
                availability.of_the_store.lost("commands", error)
                await asyncio.sleep(RETRY_S)
                continue
            availability.of_the_store.restored("commands")
            for entry_id, fields in (entry for _, entries in found for entry in entries):
                place = entry_id
                waits = self._waiting.get(fields[b"device"].decode())
                if waits is not None:
                    waits.set()
