"""Preview streams: pictures of a gate's camera, as its viewers receive them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self, cast

import redis.asyncio

from cloud.settings import Settings
from cloud.store import keyspace
from cloud.store.connection import connect_async, translating_async


class PreviewStreams:
    """Subscribes viewers to the pictures of a gate."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._client = client

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Return streams from the Redis that the settings name; the first viewer connects."""
        return cls(connect_async(settings.redis_url.get_secret_value()))

    @asynccontextmanager
    async def subscribe(self, gate: str) -> AsyncIterator["PreviewStream"]:
        """Yield a gate's pictures for the length of the block."""
        channel = self._client.pubsub()
        stream = PreviewStream(channel)
        try:
            await stream.begin(keyspace.preview(gate))
            yield stream
        finally:
            await channel.aclose()  # type: ignore[no-untyped-call]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


class PreviewStream:
    """The pictures of one gate, from the subscription on."""

    def __init__(self, channel: Any) -> None:
        self._channel = channel

    @translating_async
    async def begin(self, channel: str) -> None:
        """Subscribe to a channel."""
        await self._channel.subscribe(channel)

    @translating_async
    async def next(self, seconds: float) -> bytes | None:
        """Return the newest picture; wait for up to `seconds`, and return None where none comes."""
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
