"""Pictures on their way from a device to who watches. None is kept: they are published messages,
which Redis holds in no key and writes into no file."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final, Self, cast

import redis
import redis.asyncio

from cloud.errors import PreviewCrowded
from cloud.settings import Settings
from cloud.store import keyspace
from cloud.store.connection import at_the_door, connect_async, translating_async
from cloud.store.moments import to_ms

PACE: Final = timedelta(milliseconds=180)
"""Least time between two pictures of a device: five a second, and a little for the network."""

WATCHED_FOR: Final = timedelta(seconds=10)
"""How long one look counts as watching, so that pictures asked for one by one come from one
request to the device."""

ASKED_AGAIN_AFTER: Final = timedelta(seconds=5)

WATCH = """
-- Count a viewer in until a moment, if there is room. KEYS: viewers
-- ARGV: viewer, now (ms), until (ms), most viewers. Answers 1, or 0 where there is no room.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[2])
if not redis.call('ZSCORE', KEYS[1], ARGV[1])
  and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
redis.call('PEXPIREAT', KEYS[1], tonumber(ARGV[3]) + 60000)
return 1
"""


@at_the_door
class Previews:
    """Who watches which gate, and the pictures that pass through."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._watch = client.register_script(WATCH)

    def watch(self, gate: str, viewer: str, most: int, now: datetime) -> bool:
        """Count a viewer for the next seconds; return whether the devices should be asked anew.

        Raises PreviewCrowded where `most` others watch already.
        """
        until = to_ms(now + WATCHED_FOR)
        if not self._watch(keys=[keyspace.viewers(gate)], args=[viewer, to_ms(now), until, most]):
            raise PreviewCrowded(f"{most} people watch this gate already", 10)
        asked = self._client.set(keyspace.preview_asked(gate), b"", px=ASKED_AGAIN_AFTER, nx=True)
        return bool(asked)

    def unwatch(self, gate: str, viewer: str) -> None:
        """Count a viewer no more."""
        self._client.zrem(keyspace.viewers(gate), viewer)

    def early(self, device_id: str) -> bool:
        """Return whether this device has sent a picture a moment ago; note that it sends one."""
        noted = self._client.set(keyspace.preview_pace(device_id), b"", px=PACE, nx=True)
        return not noted

    def pass_on(self, gate: str, picture: bytes, now: datetime) -> bool:
        """Hand a picture to all who watch; return False where nobody does.

        While pictures come, the devices need not be asked again.
        """
        if not self._client.zcount(keyspace.viewers(gate), to_ms(now), "+inf"):
            return False
        pipe = self._client.pipeline(transaction=False)
        pipe.set(keyspace.preview_asked(gate), b"", px=ASKED_AGAIN_AFTER)
        pipe.publish(keyspace.preview(gate), picture)
        pipe.execute()
        return True


class Screen:
    """The watching end: pictures as they pass."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Return a screen on the Redis that the settings name. Making it connects to nothing."""
        return cls(connect_async(settings.redis_url.get_secret_value()))

    @asynccontextmanager
    async def of(self, gate: str) -> AsyncIterator["Pictures"]:
        """Listen to a gate's pictures for the length of the block."""
        channel = self._client.pubsub()
        pictures = Pictures(channel)
        try:
            await pictures.begin(keyspace.preview(gate))
            yield pictures
        finally:
            await channel.aclose()  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()


class Pictures:
    """The pictures of one gate from now on."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    @translating_async
    async def begin(self, channel: str) -> None:
        """Listen from now on."""
        await self._channel.subscribe(channel)

    @translating_async
    async def next(self, seconds: float) -> bytes | None:
        """Return the next picture, or None where none comes in time. The newest wins."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        newest: bytes | None = None
        while (left := until - loop.time()) > 0:
            # None before the time is over is a message about the channel, not of it.
            found = await self._channel.get_message(ignore_subscribe_messages=True, timeout=left)
            while found is not None:
                newest = cast(bytes, found["data"])
                found = await self._channel.get_message(ignore_subscribe_messages=True, timeout=0)
            if newest is not None:
                break
        return newest
