"""Commands that wait for devices, the settings of gates, and the bell that ends a device's wait."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Final, Self, cast

import redis
import redis.asyncio

from cloud import availability
from cloud.contract import Command, CommandKind, DeviceSettings, GateSettings
from cloud.settings import Settings
from cloud.store import keyspace
from cloud.store.connection import at_the_door, connect_async
from cloud.store.moments import from_ms, to_ms
from cloud.store.records import Fields, parsed
from cloud.store.watched import standing, watched

KEPT_AT_MOST: Final = 100
"""Commands that wait for one device; then the oldest go. All of them are notices of a state that
is kept elsewhere, so nothing is lost with one."""

KEPT_FOR: Final = timedelta(days=7)

RINGS_KEPT: Final = 1000
BLOCK_MS: Final = 2000
"""How long Redis holds a read of the bell; under the socket's timeout."""

RETRY_S: Final = 1.0


@at_the_door
class Commands:
    """Commands by device, each until it is acknowledged; and what gates are set to."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def issue(self, devices: Iterable[str], kind: CommandKind, now: datetime) -> None:
        """Ask each of the devices for one thing, and wake those that wait."""
        with self._client.pipeline() as pipe:
            for device_id in devices:
                stream = keyspace.commands(device_id)
                fields: dict[Any, Any] = {"kind": kind.value, "at": to_ms(now)}
                pipe.xadd(stream, fields, maxlen=KEPT_AT_MOST, approximate=False)
                pipe.expire(stream, KEPT_FOR)
                pipe.xadd(keyspace.COMMAND_BELL, {"device": device_id}, maxlen=RINGS_KEPT)
            pipe.execute()

    def waiting(self, device_id: str, after: str | None) -> list[Command]:
        """Return what waits for a device, oldest first, once those up to `after` are forgotten."""
        stream = keyspace.commands(device_id)
        if after is not None:
            milliseconds, _, number = after.partition("-")
            self._client.xtrim(stream, minid=f"{milliseconds}-{int(number) + 1}", approximate=False)
        entries = cast(list[tuple[bytes, Fields]], self._client.xrange(stream))
        return [
            Command(
                id=entry_id.decode(),
                kind=fields[b"kind"].decode(),
                issued_at=from_ms(fields[b"at"]),
            )
            for entry_id, fields in entries
        ]

    def settings(self, gate: str) -> DeviceSettings:
        """Return what a gate is set to."""
        pipe = self._client.pipeline()
        pipe.hget(keyspace.GATE_SETTINGS, gate)
        pipe.hget(keyspace.GATE_REVISIONS, gate)
        document, revision = pipe.execute()
        held = parsed(GateSettings, document) if document else GateSettings()
        return DeviceSettings(gate=gate, settings=held, revision=int(revision or 0))

    def set(self, gate: str, settings: GateSettings) -> DeviceSettings:
        """Set a gate to something else, under the next revision.

        Raises:
            GateUnknown: there is no such gate.
        """

        def write(pipe: Any) -> int:
            standing(pipe, gate)
            revision = int(pipe.hget(keyspace.GATE_REVISIONS, gate) or 0) + 1
            pipe.multi()
            pipe.hset(keyspace.GATE_SETTINGS, gate, settings.model_dump_json())
            pipe.hset(keyspace.GATE_REVISIONS, gate, revision)
            return revision

        revision = watched(self._client, write, keyspace.GATES, keyspace.GATE_REVISIONS)
        return DeviceSettings(gate=gate, settings=settings, revision=revision)


class Bell:
    """Wakes the devices that wait in this process, by one reader for all of them.

    A device waits once: who asks again ends the wait before it, so that a device that reconnects
    often holds one place.
    """

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client
        self._waiting: dict[str, asyncio.Event] = {}
        self._reader: asyncio.Task[None] | None = None
        self._closed = False

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Return a bell on the Redis that the settings name. It connects when somebody waits."""
        return cls(connect_async(settings.redis_url.get_secret_value()))

    @contextmanager
    def listening(self, device_id: str) -> Iterator[asyncio.Event]:
        """Give an event that is set when there is something new for the device."""
        rung = asyncio.Event()
        if (former := self._waiting.pop(device_id, None)) is not None:
            former.set()
        self._waiting[device_id] = rung
        if self._closed:
            rung.set()
        elif self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read())
        try:
            yield rung
        finally:
            if self._waiting.get(device_id) is rung:
                del self._waiting[device_id]

    def awaits(self, device_id: str, rung: asyncio.Event) -> bool:
        """Return whether this wait is still the device's, and the process stays."""
        return not self._closed and self._waiting.get(device_id) is rung

    def hush(self) -> None:
        """End every wait, now and from now on: the process leaves."""
        self._closed = True
        for rung in self._waiting.values():
            rung.set()

    async def close(self) -> None:
        """End every wait, and give the connection back."""
        self.hush()
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
                    last = cast(Any, await self._client.xrevrange(keyspace.COMMAND_BELL, count=1))
                    place = last[0][0] if last else b"0-0"
                    # What came before the first look may be for somebody who waits already.
                    for rung in self._waiting.values():
                        rung.set()
                read = self._client.xread({keyspace.COMMAND_BELL: place}, block=BLOCK_MS)
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
