"""The feed: events as they are accepted, read once by each process for all who listen in it."""

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
"""Events that a listener is given of what it missed; more are read in pages, or exported."""

WAITING_AT_MOST: Final = 256
"""Events that wait for one listener before it counts as too slow."""

RETRY_S: Final = 1.0

Entry = tuple[bytes, Fields]


class CloseReason(StrEnum):
    """Why a listener is told no more. Each may come back with the place that it had reached."""

    TOO_SLOW = "too_slow"
    SHUTTING_DOWN = "shutting_down"


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One event of the feed."""

    cursor: str
    gate: str
    document: str
    """The EventRecord, as it was when the event was accepted or read again, in JSON."""


class Listener:
    """One who listens, to one gate or to all: a queue with an end."""

    def __init__(self, gate: str | None) -> None:
        self.gate = gate
        self._queue: asyncio.Queue[FeedEvent | CloseReason] = asyncio.Queue(WAITING_AT_MOST)
        self.closed: CloseReason | None = None

    async def next(self) -> FeedEvent | CloseReason:
        """Return what comes next, or why nothing will."""
        return await self._queue.get()

    def tell(self, heard: FeedEvent) -> bool:
        """Take one event; return False, and close, if too many wait already."""
        if self.gate is not None and heard.gate != self.gate:
            return True
        try:
            self._queue.put_nowait(heard)
        except asyncio.QueueFull:
            self.close(CloseReason.TOO_SLOW)
            return False
        return True

    def close(self, why: CloseReason) -> None:
        """Tell no more; what waits is let go, since it can be asked for again."""
        self.closed = why
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(why)


class Feed:
    """Hands each new event to every listener. Its reader runs while there is one.

    Of one event loop. With Redis away the listeners wait, and miss nothing.
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
        """Return a listener that is told of what is accepted from now on.

        Raises TooManyListeners, and StoreUnavailable where the stream's end cannot be found.
        """
        if len(self._listeners) >= self._room:
            raise TooManyListeners(f"{self._room} listen to this process already")
        listener = Listener(gate)
        self._listeners.add(listener)
        try:
            async with self._joining:
                if self._reader is None or self._reader.done():
                    end = await self._end()
                    # In a context of its own: it serves more than the request that started it.
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
        """Forget a listener."""
        self._listeners.discard(listener)
        if not self._listeners:
            self._stop_reading()

    async def missed(self, gate: str | None, after: str) -> AsyncIterator[FeedEvent]:
        """Yield what was accepted after the cursor `after`, the oldest first.

        Ends at the stream's end, or past `MISSED_AT_MOST` events.
        """
        cursor, given = after, 0
        while given < MISSED_AT_MOST:
            entries = await self._after(gate, cursor)
            for heard in await self._heard(entries):
                yield heard
            given += len(entries)
            if len(entries) < BATCH:
                return
            cursor = entries[-1][0].decode()

    def close(self) -> None:
        """Close every listener: the process is about to leave."""
        self._closed = True
        for listener in self._listeners:
            listener.close(CloseReason.SHUTTING_DOWN)
        self._listeners.clear()
        self._stop_reading()

    async def aclose(self) -> None:
        """Close, and give the connections back."""
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
    async def _heard(self, entries: Iterable[Entry]) -> list[FeedEvent]:
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
        heard = []
        moment = now()
        for (cursor, entry), fields, pass_id in zip(places, kept, ids, strict=True):
            held = next(passes) if pass_id else None
            if not fields:
                # Trimming is by whole nodes of the stream, so an entry may outlive its record.
                continue
            stored = StoredPass.read(UUID(pass_id), held) if held else None
            record: EventRecord = event_record(fields, stored, moment)
            heard.append(FeedEvent(cursor, entry[b"gate"].decode(), record.model_dump_json()))
        return heard

    async def _read(self, cursor: str) -> None:
        # redis-py swallows a cancellation that meets an answer, so the reader asks by itself
        # whether another has taken its place: two would tell everything twice.
        mine = asyncio.current_task()
        while self._reader is mine:
            try:
                entries = await self._wait(cursor)
                told = await self._heard(entries) if entries else []
            except StoreError as error:
                availability.of_the_store.lost("feed", error)
                await asyncio.sleep(RETRY_S)
                continue
            availability.of_the_store.restored("feed")
            if self._reader is not mine:
                return
            if entries:
                cursor = entries[-1][0].decode()
            for heard in told:
                for listener in list(self._listeners):
                    if not listener.tell(heard):
                        self.leave(listener)
