"""Commands of many requests that travel to Redis together.

A connection of redis-py for asyncio carries one command at a time, and taking it, writing, waiting
and giving it back costs more than most commands. What requests want in the same turn of the event
loop goes out as one pipeline, and is answered as it comes; with few requests it is a pipeline of
one, which waits for nothing.
"""

import asyncio
from typing import Any

import redis
from redis.asyncio import Redis

AT_ONCE = 2
"""Pipelines under way at a time; what is wanted meanwhile goes with the next. With one, Redis would
wait for us between two; with more of them each carries less, and costs as much."""


class Convoy:
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
        pipe = self._client.pipeline(transaction=False)
        for command, _ in load:
            pipe.execute_command(*command)
        replies: list[Any]
        try:
            replies = await pipe.execute(raise_on_error=False)
        except (redis.RedisError, OSError) as error:
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
