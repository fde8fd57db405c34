"""No chat waits for another, and a chat's own order is kept."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from cloud.bot.receiving.chat_queues import ChatQueues, QueuedUpdate
from cloud.bot.receiving.flood_control import UNKNOWN, FloodDecision


class Handler:
    """Handles updates when it is told to, and keeps the numbers of those it began and ended."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.now = 1_000.0
        self._blocked: dict[int, asyncio.Event] = {}
        self.changed = asyncio.Condition()

    def clock(self) -> float:
        """Go on a little at each look, as a clock does."""
        self.now += 0.001
        return self.now

    async def __call__(self, queued: QueuedUpdate) -> None:
        async with self.changed:
            self.begun.append(queued.update_id)
            self.changed.notify_all()
        if queued.update == "waits":
            await self._blocked.setdefault(queued.update_id, asyncio.Event()).wait()
        if queued.update == "breaks":
            raise RuntimeError("a handler broke")
        async with self.changed:
            self.ended.append(queued.update_id)
            self.changed.notify_all()

    def release(self, number: int) -> None:
        self._blocked.setdefault(number, asyncio.Event()).set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(holds), 30)


@pytest.fixture
async def handler() -> Handler:
    return Handler()


@pytest.fixture
async def queues(handler: Handler) -> AsyncIterator[ChatQueues]:
    queues = ChatQueues(handler, unknown_per_second=1_000_000, clock=handler.clock)
    running = asyncio.create_task(queues.run())
    yield queues
    running.cancel()
    await queues.close(0.0)


def update(
    number: int, chat: str = "1", behaviour: str = "", *, known: bool = True, counted: bool = False
) -> QueuedUpdate:
    return QueuedUpdate(number, chat, chat, known, behaviour, counted=counted)


async def test_a_slow_chat_keeps_no_other_chat_waiting(
    queues: ChatQueues, handler: Handler
) -> None:
    queues.put(update(1, "slow", "waits"))
    queues.put(update(2, "slow"))
    queues.put(update(3, "quick"))
    await handler.until(lambda: handler.ended == [3])
    assert handler.begun == [1, 3]
    handler.release(1)
    await handler.until(lambda: handler.ended == [3, 1, 2])


async def test_the_next_update_of_a_chat_is_handled_after_one_that_failed(
    queues: ChatQueues, handler: Handler
) -> None:
    broken = update(1, behaviour="breaks")
    queues.put(broken)
    queues.put(update(2))
    await handler.until(lambda: handler.ended == [2])
    assert broken.handled.done()


async def test_a_known_sender_goes_before_unknown_senders_who_came_first(handler: Handler) -> None:
    queues = ChatQueues(handler, unknown_per_second=0.001, clock=handler.clock)
    running = asyncio.create_task(queues.run())
    for number in range(3):
        queues.put(update(number, f"stranger {number}", known=False))
    queues.put(update(9, "staff"))
    await handler.until(lambda: handler.ended == [9, 0] or handler.ended == [0, 9])
    # An unknown sender who then sends a good code is known, and so is what they sent before.
    queues.put(update(10, "stranger 2"))
    await handler.until(lambda: handler.ended[2:] == [2, 10])
    running.cancel()
    await queues.close(0.0)


async def test_an_update_that_is_handled_frees_the_place_of_its_sender(
    queues: ChatQueues, handler: Handler
) -> None:
    for number in range(UNKNOWN.waiting):
        assert queues.accept("1", "1", known=False) is FloodDecision.ACCEPTED
        queues.put(update(number, known=False, counted=True))
    await handler.until(lambda: len(handler.ended) == UNKNOWN.waiting)
    assert queues.accept("1", "1", known=False) is FloodDecision.ACCEPTED


async def test_at_the_end_updates_in_progress_are_awaited_and_the_others_are_not_begun(
    handler: Handler,
) -> None:
    queues = ChatQueues(handler, unknown_per_second=1_000, clock=handler.clock)
    running = asyncio.create_task(queues.run())
    in_progress, late, waiting = update(1, "1", "waits"), update(2, "2", "waits"), update(3, "2")
    for each in (in_progress, late, waiting):
        queues.put(each)
    await handler.until(lambda: len(handler.begun) == 2)
    running.cancel()
    handler.release(1)
    await queues.close(0.2)
    assert handler.ended == [1]
    assert in_progress.handled.done()
    assert not in_progress.handled.cancelled()
    assert late.handled.cancelled()
    assert waiting.handled.cancelled()
