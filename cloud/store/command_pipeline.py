"""A pipeline that sends the commands of many requests to Redis together.

A connection of redis-py for asyncio carries one command at a time. Taking the connection, writing,
waiting and giving it back costs more than most commands. The pipeline collects the commands of one
turn of the event loop, sends them at once, and gives each caller its own reply. With few requests
it sends single commands, and delays none.
"""

import asyncio
import math
from dataclasses import dataclass
from typing import Any, Final

import hiredis
import redis
from redis.asyncio import Redis

BATCHES_AT_ONCE: Final = 2
"""Batches under way at a time; later commands wait for the next batch. With one, Redis would idle
between two batches; with more, each batch carries fewer commands and costs as much."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A command in the form in which it is sent, and the future of its reply."""

    packed: bytes
    reply: "asyncio.Future[Any]"


class CommandPipeline:
    """Runs commands for the coroutines of one event loop.

    Every caller gets a reply or an error, also where the pipeline itself fails. A caller that is
    cancelled takes nothing from the others.

    Args:
        client: The client whose connections are used.
    """

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._waiting: list[_Call] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._scheduled = False

    async def run(self, *command: Any) -> Any:
        """Run one command.

        Args:
            command: The command's name and its arguments.

        Returns:
            The reply of Redis.

        Raises:
            redis.RedisError: Redis refused the command, did not answer, or is away.
            TypeError: An argument cannot be sent; the other commands of the batch are sent.
        """
        loop = asyncio.get_running_loop()
        call = _Call(hiredis.pack_command(command), loop.create_future())
        if not self._scheduled and len(self._under_way) < BATCHES_AT_ONCE:
            loop.call_soon(self._send_waiting)
            self._scheduled = True
        self._waiting.append(call)
        return await call.reply

    def _send_waiting(self) -> None:
        self._scheduled = False
        # Callers that were cancelled before anything was sent are left out.
        batch = [call for call in self._waiting if not call.reply.done()]
        self._waiting = []
        if not batch:
            return
        task = asyncio.get_running_loop().create_task(self._answer(batch))
        self._under_way.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._send_waiting()

    async def _answer(self, batch: list[_Call]) -> None:
        """Give each call its reply; on an error, give the error to each call without a reply."""
        try:
            replies = await self._exchange(b"".join(call.packed for call in batch), len(batch))
            for call, reply in zip(batch, replies, strict=True):
                if call.reply.done():
                    continue
                if isinstance(reply, Exception):
                    call.reply.set_exception(reply)
                else:
                    call.reply.set_result(reply)
        except Exception as error:  # noqa: BLE001 (the callers raise it)
            for call in batch:
                if not call.reply.done():
                    call.reply.set_exception(error)
        finally:
            # Left only where this task was cancelled.
            for call in batch:
                call.reply.cancel()

    async def _exchange(self, packed: bytes, number: int) -> list[Any]:
        """Send packed commands, and return as many replies, with the errors of single commands.

        Args:
            packed: The commands.
            number: The number of commands.

        Returns:
            A reply or a `redis.ResponseError` for each command.
        """
        # The pipeline of redis-py packs each command in Python, and sets a time limit for each
        # reply; docs/scale.md says what that costs.
        pool: Any = self._client.connection_pool
        connection = await pool.get_connection()
        try:
            replies: list[Any] = await connection.retry.call_with_retry(
                lambda: self._replies(connection, packed, number),
                lambda _: connection.disconnect(nowait=True),
            )
        except BaseException:
            # Replies that were not read must not reach the next user of the connection.
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)
        return replies

    @staticmethod
    async def _replies(connection: Any, packed: bytes, number: int) -> list[Any]:
        replies: list[Any] = []
        try:
            async with asyncio.timeout(connection.socket_timeout):
                await connection.send_packed_command(packed)
                for _ in range(number):
                    try:
                        replies.append(await connection.read_response(timeout=math.inf))
                    except redis.ResponseError as error:
                        replies.append(error)
        except TimeoutError as error:
            raise redis.TimeoutError("Redis did not answer in time") from error
        return replies
