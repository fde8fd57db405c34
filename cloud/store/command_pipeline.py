"""Commands of many requests that travel to Redis together.

A connection of redis-py for asyncio carries one command at a time, and taking it, writing, waiting
and giving it back costs more than most commands. What requests want in the same turn of the event
loop goes out as one pipeline, and is answered as it comes; with few requests it is a pipeline of
one, which waits for nothing.
"""

import asyncio
import math
from typing import Any

import hiredis
import redis
from redis.asyncio import Redis

AT_ONCE = 2
"""Pipelines under way at a time; what is wanted meanwhile goes with the next. With one, Redis would
wait for us between two; with more of them each carries less, and costs as much."""


class CommandPipeline:
    """Runs commands for the coroutines of one event loop."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._waiting: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._called = False

    async def run(self, *command: Any) -> Any:
        """Return what Redis answers; raise what redis-py would."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        self._waiting.append((command, answer))
        if not self._called and len(self._under_way) < AT_ONCE:
            self._called = True
            loop.call_soon(self._depart)
        return await answer

    def _depart(self) -> None:
        self._called = False
        if not self._waiting:
            return
        load, self._waiting = self._waiting, []
        task = asyncio.get_running_loop().create_task(self._travel(load))
        self._under_way.add(task)
        task.add_done_callback(self._arrived)

    def _arrived(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._depart()

    async def _travel(self, load: list[tuple[tuple[Any, ...], asyncio.Future[Any]]]) -> None:
        replies: list[Any]
        try:
            replies = await self._exchanged([command for command, _ in load])
        except Exception as error:  # noqa: BLE001 (every caller gets it, and none waits for ever)
            replies = [error] * len(load)
        except asyncio.CancelledError:
            for _, answer in load:
                answer.cancel()
            raise
        for (_, answer), reply in zip(load, replies, strict=True):
            if answer.done():
                continue
            if isinstance(reply, Exception):
                answer.set_exception(reply)
            else:
                answer.set_result(reply)

    async def _exchanged(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """Return the replies to commands that are sent as one, errors of Redis among them.

        The client's own pipeline packs each command in Python and sets a time limit for each
        reply, which takes nearly a tenth of the processor time of an event.
        """
        pool: Any = self._client.connection_pool
        connection = await pool.get_connection()
        try:
            replies: list[Any] = await connection.retry.call_with_retry(
                lambda: self._replies(connection, commands),
                lambda _: connection.disconnect(nowait=True),
            )
            return replies
        finally:
            await pool.release(connection)

    @staticmethod
    async def _replies(connection: Any, commands: list[tuple[Any, ...]]) -> list[Any]:
        replies: list[Any] = []
        try:
            async with asyncio.timeout(connection.socket_timeout):
                await connection.send_packed_command(b"".join(map(hiredis.pack_command, commands)))
                for _ in commands:
                    try:
                        replies.append(await connection.read_response(timeout=math.inf))
                    except redis.ResponseError as error:
                        replies.append(error)
        except TimeoutError as error:
            raise redis.TimeoutError("Redis did not answer in time") from error
        return replies
