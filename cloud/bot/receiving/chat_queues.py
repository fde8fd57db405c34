"""A queue of updates for each chat: a chat's own order is kept, and no chat waits for another.

Chats with an update of a known sender (staff, visitors, subscribers) are served first. Updates of
unknown senders are started at a limited rate, so that their answers never use up the messages a
second that Telegram allows the bot.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from cloud.bot.receiving.flood_control import FloodControl, FloodDecision

log = structlog.get_logger("cloud.bot")

UNKNOWN_AT_ONCE: Final = 64
KNOWN_AT_ONCE: Final = 128
"""Updates that are handled at the same time; each is a task that mostly waits."""


@dataclass(slots=True)
class QueuedUpdate:
    """An update in the queue of its chat.

    Args:
        update_id: Telegram's number of the update.
        chat: The id of the chat.
        sender: The id of the sender.
        known: Whether the sender is staff, a visitor or a subscriber.
        update: The update itself.
        counted: Whether it counts among the updates that its sender has waiting.
        dropped: Whether it gets no answer but a notice that asks its sender to slow down.
        handled: The future that is done when the update is handled.
    """

    update_id: int
    chat: str
    sender: str
    known: bool
    update: Any
    counted: bool = True
    dropped: bool = False
    handled: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


@dataclass(slots=True)
class _ChatQueue:
    chat: str
    updates: deque[QueuedUpdate] = field(default_factory=deque)
    busy: bool = False

    @property
    def known(self) -> bool:
        """Whether an update of a known sender is in the queue: all before it hurry with it."""
        return any(update.known for update in self.updates)


class ChatQueues:
    """The queues of all chats, and the tasks that handle their updates.

    Args:
        handle: Handles one update. An exception that it raises is written to the log.
        unknown_per_second: Updates of unknown senders that are started in a second.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        handle: Callable[[QueuedUpdate], Awaitable[None]],
        unknown_per_second: float,
        clock: Callable[[], float],
    ) -> None:
        self._handle = handle
        self._interval_s = 1 / unknown_per_second
        self._clock = clock
        self._flood_control = FloodControl(clock)
        self._queues: dict[str, _ChatQueue] = {}
        self._ready: dict[bool, deque[_ChatQueue]] = {True: deque(), False: deque()}
        self._tasks: set[asyncio.Task[None]] = set()
        self._running: Counter[bool] = Counter()
        self._next_unknown_at = 0.0
        self._wake = asyncio.Event()

    def accept(self, chat: str, sender: str, *, known: bool) -> FloodDecision:
        """Decide whether an update is accepted; an accepted one has to be put into its queue."""
        return self._flood_control.accept(chat, sender, known=known)

    def put(self, update: QueuedUpdate) -> None:
        """Put an update at the end of its chat's queue."""
        queue = self._queues.setdefault(update.chat, _ChatQueue(update.chat))
        queue.updates.append(update)
        if not queue.busy:
            self._ready[queue.known].append(queue)
            self._wake.set()

    async def run(self) -> None:
        """Handle updates until cancelled; `close` waits for those that are being handled then."""
        while True:
            queue = self._next()
            if queue is not None:
                self._start(queue)
                continue
            self._wake.clear()
            wait_s = None
            if self._ready[False] and self._running[False] < UNKNOWN_AT_ONCE:
                wait_s = max(self._next_unknown_at - self._clock(), 0.001)
            try:
                await asyncio.wait_for(self._wake.wait(), wait_s)
            except TimeoutError:
                continue

    async def close(self, within_s: float) -> None:
        """Wait for the updates that are being handled, and cancel those that take longer."""
        tasks = list(self._tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=within_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for queue in self._queues.values():
            for update in queue.updates:
                update.handled.cancel()

    def _next(self) -> _ChatQueue | None:
        if self._running[True] < KNOWN_AT_ONCE:
            queue = _first_idle(self._ready[True])
            if queue is not None:
                return queue
        now = self._clock()
        if now < self._next_unknown_at or self._running[False] >= UNKNOWN_AT_ONCE:
            return None
        queue = _first_idle(self._ready[False])
        if queue is not None:
            self._next_unknown_at = now + self._interval_s
        return queue

    def _start(self, queue: _ChatQueue) -> None:
        queue.busy = True
        known = queue.known
        self._running[known] += 1
        task = asyncio.create_task(self._serve(queue, queue.updates.popleft(), known=known))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, queue: _ChatQueue, update: QueuedUpdate, *, known: bool) -> None:
        try:
            await self._handle(update)
        except asyncio.CancelledError:
            update.handled.cancel()
            raise
        except Exception:
            log.exception("update_failed", update_id=update.update_id)
        finally:
            queue.busy = False
            self._running[known] -= 1
            if not update.handled.done():
                update.handled.set_result(None)
            if update.counted:
                self._flood_control.release(update.chat, update.sender, known=update.known)
            if queue.updates:
                self._ready[queue.known].append(queue)
            else:
                del self._queues[queue.chat]
            self._wake.set()


def _first_idle(queues: deque[_ChatQueue]) -> _ChatQueue | None:
    """Take the first queue that has an update and is not busy; a queue may be listed twice."""
    while queues:
        queue = queues.popleft()
        if queue.updates and not queue.busy:
            return queue
    return None
