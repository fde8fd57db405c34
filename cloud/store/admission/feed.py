"""The feed: events as they are accepted, read once by each process for all of its listeners."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, cast
from uuid import UUID

from cloud import availability
from cloud.contract import EventRecord
from cloud.errors import StoreError, TooManyListeners
from cloud.store import keyspace
from cloud.store.connection import connect_async, translating_async
from cloud.store.moments import now
from cloud.store.records import Fields, StoredPass, event_record

BLOCK_S: Final = 5.0
"""How long Redis holds a read of the stream's end before it says that nothing came."""

BATCH: Final = 100

MISSED_AT_MOST: Final = 5_000
"""Missed events that a listener is sent at most; more are read in pages, or exported."""

WAITING_AT_MOST: Final = 256
"""Events that wait for one listener before it counts as too slow."""

RETRY_S: Final = 1.0

Entry = tuple[bytes, Fields]


class CloseReason(StrEnum):
    """Why a listener was closed. The client may connect again with the last cursor that it has."""

    TOO_SLOW = "too_slow"
    SHUTTING_DOWN = "shutting_down"


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """An event of the feed, with its cursor in the stream."""

    cursor: str
    gate: str
    document: str
    """The EventRecord in JSON, as of the moment when it was read."""


class Listener:
    """A bounded queue of events, of one gate or of all."""

    def __init__(self, gate: str | None) -> None:
        self.gate = gate
        self._queue: asyncio.Queue[FeedEvent | CloseReason] = asyncio.Queue(WAITING_AT_MOST)
        self.closed: CloseReason | None = None

    async def next(self) -> FeedEvent | CloseReason:
        """Return the next event, or why the listener was closed."""
        return await self._queue.get()

    def offer(self, event: FeedEvent) -> bool:
        """Queue an event; return False, and close the listener, if its queue is full."""
        if self.gate is not None and event.gate != self.gate:
            return True
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            self.close(CloseReason.TOO_SLOW)
            return False
        return True

    def close(self, why: CloseReason) -> None:
        """Close the listener. Queued events are dropped: the client can ask for them again."""
        self.closed = why
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(why)


class Feed:
    """Offers each new event to every listener. Its reader runs while there is a listener.

    A feed belongs to one event loop. While Redis is away the listeners wait, and miss nothing.
    """

    def __init__(self, url: str, listeners_at_most: int) -> None:
        self._client = connect_async(url, answer_within_s=BLOCK_S + 3, protocol=2)
        self._room = listeners_at_most
        self._listeners: set[Listener] = set()
        self._reader: asyncio.Task[None] | None = None
        self._joining = asyncio.Lock()
        self._closed = False

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    async def join(self, gate: str | None) -> Listener:
        """Return a listener to the events that are accepted from now on.

        Args:
            gate: of this gate alone; None for all.

        Returns:
            The listener.

        Raises:
            TooManyListeners: this process has as many listeners as it may have.
            StoreUnavailable: the stream's end cannot be read.
        """
        if len(self._listeners) >= self._room:
            raise TooManyListeners(f"{self._room} listen to this process already")
        listener = Listener(gate)
        self._listeners.add(listener)
        try:
            async with self._joining:
                if self._reader is None or self._reader.done():
                    end = await self._end()
                    # A context of its own: the reader serves more than the request that started it.
                    self._reader = asyncio.create_task(
                        self._read(end), name="feed", context=contextvars.Context()
                    )
        except BaseException:
            self._listeners.discard(listener)
            raise
        if self._closed:
            listener.close(CloseReason.SHUTTING_DOWN)
        return listener

    def leave(self, listener: Listener) -> None:
        """Remove a listener."""
        self._listeners.discard(listener)
        if not self._listeners:
            self._stop_reading()

    async def missed(self, gate: str | None, after: str) -> AsyncIterator[FeedEvent]:
        """Yield the events after a cursor.

        Args:
            gate: of this gate alone; None for all.
            after: the cursor of the last event that the client has.

        Yields:
            Events, the oldest first, up to the stream's end or past `MISSED_AT_MOST`.
        """
        cursor, given = after, 0
        while given < MISSED_AT_MOST:
            entries = await self._after(gate, cursor)
            for event in await self._events(entries):
                yield event
            given += len(entries)
            if len(entries) < BATCH:
                return
            cursor = entries[-1][0].decode()

    def close(self) -> None:
        """Close every listener: the process shuts down."""
        self._closed = True
        for listener in self._listeners:
            listener.close(CloseReason.SHUTTING_DOWN)
        self._listeners.clear()
        self._stop_reading()

    async def aclose(self) -> None:
        """Close every listener, and the connections."""
        reader = self._reader
        self.close()
        if reader is not None:
            await asyncio.gather(reader, return_exceptions=True)
        await self._client.aclose()

    def _stop_reading(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            self._reader = None

    @translating_async
    async def _end(self) -> str:
        newest = cast(list[Entry], await self._client.xrevrange(keyspace.events(), count=1))
        return newest[0][0].decode() if newest else "0-0"

    @translating_async
    async def _after(self, gate: str | None, cursor: str) -> list[Entry]:
        return cast(
            list[Entry],
            await self._client.xrange(keyspace.events(gate), min=f"({cursor}", count=BATCH),
        )

    @translating_async
    async def _wait(self, cursor: str) -> list[Entry]:
        answer: Any = await self._client.xread(
            {keyspace.events(): cursor}, count=BATCH, block=int(BLOCK_S * 1000)
        )
        return cast(list[Entry], answer[0][1]) if answer else []

    @translating_async
    async def _events(self, entries: Iterable[Entry]) -> list[FeedEvent]:
        places = [(cursor.decode(), entry) for cursor, entry in entries]
        pipe = self._client.pipeline(transaction=False)
        for _, entry in places:
            pipe.hgetall(keyspace.event(UUID(entry[b"id"].decode())))
        kept: list[Fields] = await pipe.execute()
        pipe = self._client.pipeline(transaction=False)
        ids = [fields.get(b"pass", b"").decode() for fields in kept]
        for pass_id in ids:
            if pass_id:
                pipe.hgetall(keyspace.pass_(UUID(pass_id)))
        passes = iter(await pipe.execute())
        events = []
        moment = now()
        for (cursor, entry), fields, pass_id in zip(places, kept, ids, strict=True):
            held = next(passes) if pass_id else None
            if not fields:
                # Trimming is by whole nodes of the stream, so an entry may outlive its record.
                continue
            stored = StoredPass.read(UUID(pass_id), held) if held else None
            record: EventRecord = event_record(fields, stored, moment)
            events.append(FeedEvent(cursor, entry[b"gate"].decode(), record.model_dump_json()))
        return events

    async def _read(self, cursor: str) -> None:
        # redis-py swallows a cancellation that comes with an answer. So the reader looks whether
        # another one has taken its place: two readers would offer each event twice.
        mine = asyncio.current_task()
        while self._reader is mine:
            try:
                entries = await self._wait(cursor)
                events = await self._events(entries) if entries else []
            except StoreError as error:
                availability.of_the_store.lost("feed", error)
                await asyncio.sleep(RETRY_S)
                continue
            availability.of_the_store.restored("feed")
            if self._reader is not mine:
                return
            if entries:
                cursor = entries[-1][0].decode()
            for event in events:
                for listener in list(self._listeners):
                    if not listener.offer(event):
                        self.leave(listener)
