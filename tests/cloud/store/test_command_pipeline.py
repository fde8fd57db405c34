"""The pipeline answers every caller, whatever becomes of the others and of the pipeline itself."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis

from cloud.settings import Settings
from cloud.store import Store
from cloud.store.command_pipeline import CommandPipeline
from cloud.store.connection import connect_async


class FaultyPipeline(CommandPipeline):
    """A pipeline whose next exchange does what a test says instead."""

    fault: Any = None

    async def _exchange(self, packed: bytes, number: int) -> list[Any]:
        fault, self.fault = self.fault, None
        if fault is None:
            return await super()._exchange(packed, number)
        return await fault(await super()._exchange(packed, number))  # type: ignore[no-any-return]


@pytest.fixture
async def pipeline(store: Store, settings: Settings) -> AsyncIterator[FaultyPipeline]:
    client = connect_async(settings.redis_url.get_secret_value())
    yield FaultyPipeline(client)
    await client.aclose()


async def echoes(pipeline: CommandPipeline, number: int) -> list[Any]:
    async with asyncio.timeout(30):
        return await asyncio.gather(
            *(pipeline.run("ECHO", str(each)) for each in range(number)), return_exceptions=True
        )


async def test_each_caller_gets_its_own_reply(pipeline: FaultyPipeline) -> None:
    assert await echoes(pipeline, 50) == [str(each).encode() for each in range(50)]


async def test_an_error_of_redis_is_that_commands_alone(pipeline: FaultyPipeline) -> None:
    answers = await asyncio.gather(
        pipeline.run("PING"), pipeline.run("NONSENSE"), return_exceptions=True
    )
    assert answers[0] == b"PONG"
    assert isinstance(answers[1], redis.ResponseError)


async def test_a_command_that_cannot_be_sent_hurts_nobody_else(pipeline: FaultyPipeline) -> None:
    async with asyncio.timeout(30):
        answers = await asyncio.gather(
            pipeline.run("PING"), pipeline.run("ECHO", object()), return_exceptions=True
        )
    assert answers[0] == b"PONG"
    assert isinstance(answers[1], TypeError)


async def test_an_unforeseen_error_reaches_every_caller(pipeline: FaultyPipeline) -> None:
    async def fail(_replies: list[Any]) -> list[Any]:
        raise KeyError("nobody thought of this")

    pipeline.fault = fail
    assert all(isinstance(answer, KeyError) for answer in await echoes(pipeline, 5))
    assert await pipeline.run("PING") == b"PONG"


async def test_a_reply_too_few_leaves_nobody_waiting(pipeline: FaultyPipeline) -> None:
    async def lose_one(replies: list[Any]) -> list[Any]:
        return replies[:-1]

    pipeline.fault = lose_one
    *answered, last = await echoes(pipeline, 5)
    assert answered == [b"0", b"1", b"2", b"3"]
    assert isinstance(last, ValueError)
    assert await pipeline.run("PING") == b"PONG"


async def test_a_batch_that_is_cancelled_cancels_its_callers(pipeline: FaultyPipeline) -> None:
    async def cancel(_replies: list[Any]) -> list[Any]:
        raise asyncio.CancelledError

    pipeline.fault = cancel
    assert all(isinstance(each, asyncio.CancelledError) for each in await echoes(pipeline, 3))
    assert await pipeline.run("PING") == b"PONG"


async def test_a_caller_that_is_cancelled_takes_nothing_from_the_others(
    pipeline: FaultyPipeline,
) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def wait(replies: list[Any]) -> list[Any]:
        arrived.set()
        await go_on.wait()
        return replies

    pipeline.fault = wait
    callers = [asyncio.create_task(pipeline.run("ECHO", str(each))) for each in range(3)]
    await arrived.wait()
    callers[1].cancel()
    go_on.set()
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*callers, return_exceptions=True)
    assert answers[0] == b"0"
    assert isinstance(answers[1], asyncio.CancelledError)
    assert answers[2] == b"2"


async def test_replies_that_were_not_read_reach_no_later_caller(
    pipeline: FaultyPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = CommandPipeline._replies

    async def stop_half_way(connection: Any, packed: bytes, _number: int) -> list[Any]:
        monkeypatch.setattr(CommandPipeline, "_replies", staticmethod(read))
        await read(connection, packed, 1)
        raise KeyError("nobody thought of this")

    monkeypatch.setattr(CommandPipeline, "_replies", staticmethod(stop_half_way))
    assert all(isinstance(answer, KeyError) for answer in await echoes(pipeline, 3))
    assert await pipeline.run("ECHO", "mine") == b"mine"
