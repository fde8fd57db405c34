"""Lanes: each chat's messages are dealt with in order, and no chat waits for another.

A flood is cut off where it comes in: a sender may have only so many messages waiting, and only so
many in a minute. Senders of whom nothing is known (no staff, no visitor, no subscriber) share a
part of Telegram's limit, so that they never use up what staff and visitors need.
"""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

import structlog

log = structlog.get_logger("cloud.bot")

STRANGERS_AT_ONCE: Final = 64
KNOWN_AT_ONCE: Final = 128
"""Messages that are dealt with at the same time; each is a task that mostly waits."""

STRANGERS_WAITING: Final = 1_000
"""Messages of all strangers together that may wait; further ones are dropped."""

SENDERS_REMEMBERED: Final = 10_000
"""Senders whose pace is known; who was not heard of for the longest is forgotten first."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one sender may send.

    Args:
        waiting: messages that may wait for their answer at a time.
        per_minute: messages in a minute, after the burst.
        burst: messages at once.
    """

    waiting: int
    per_minute: int
    burst: int


STRANGER: Final = Allowance(waiting=10, per_minute=20, burst=20)
"""Telegram lets a bot answer a chat once a second: 10 messages are 10 s of answers."""

KNOWN: Final = Allowance(waiting=30, per_minute=60, burst=60)
"""A guard redeems at most one pass a second."""

SLOW_DOWN_EVERY_S: Final = 60.0
"""A sender is told at most so often that messages are dropped."""


class Admission(Enum):
    """What becomes of a message that comes in."""

    TAKEN = "taken"
    DROPPED = "dropped"
    SLOW_DOWN = "slow_down"
    """Dropped; and the sender is to be told."""


@dataclass(slots=True)
class Letter:
    """One message, and the future that is done when it is dealt with."""

    number: int
    chat: str
    sender: str
    known: bool
    content: Any
    admitted: bool = True
    """It counts among those that its sender has waiting."""
    slow_down: bool = False
    """It is not answered itself: its sender is asked to send less."""
    dealt_with: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


@dataclass(slots=True)
class _Lane:
    chat: str
    letters: deque[Letter] = field(default_factory=deque)
    busy: bool = False

    @property
    def known(self) -> bool:
        """Whether a letter in the lane is of somebody known: all before it hurry with it."""
        return any(letter.known for letter in self.letters)


@dataclass(slots=True)
class _Pace:
    """A sender's theoretical arrival time (GCRA, see messages/limiter.py of the store), in s."""

    free_at: float = 0.0
    told_at: float = float("-inf")


class Lanes:
    """Letters by chat, and the tasks that deal with them.

    Args:
        handle: deals with one letter; what it raises is written to the log.
        strangers_per_second: letters of strangers that are begun in a second.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        handle: Callable[[Letter], Awaitable[None]],
        strangers_per_second: float,
        clock: Callable[[], float],
    ) -> None:
        self._handle = handle
        self._interval_s = 1 / strangers_per_second
        self._clock = clock
        self._lanes: dict[str, _Lane] = {}
        self._paces: OrderedDict[str, _Pace] = OrderedDict()
        self._ready: dict[bool, deque[_Lane]] = {True: deque(), False: deque()}
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_work: Counter[bool] = Counter()
        self._waiting: Counter[tuple[str, str]] = Counter()
        self._strangers_waiting = 0
        self._next_stranger_at = 0.0
        self._wake = asyncio.Event()

    def admit(self, chat: str, sender: str, *, known: bool) -> Admission:
        """Decide whether a message is taken; one that is taken counts from now on."""
        allowance = KNOWN if known else STRANGER
        now = self._clock()
        pace = self._pace(sender)
        interval_s = 60 / allowance.per_minute
        too_fast = pace.free_at - (allowance.burst - 1) * interval_s > now
        if self._waiting[chat, sender] >= allowance.waiting or too_fast:
            if pace.told_at + SLOW_DOWN_EVERY_S > now:
                return Admission.DROPPED
            pace.told_at = now
            return Admission.SLOW_DOWN
        if not known and self._strangers_waiting >= STRANGERS_WAITING:
            return Admission.DROPPED
        pace.free_at = max(pace.free_at, now) + interval_s
        self._waiting[chat, sender] += 1
        self._strangers_waiting += not known
        return Admission.TAKEN

    def put(self, letter: Letter) -> None:
        """Put a letter at the end of its chat's lane."""
        lane = self._lanes.setdefault(letter.chat, _Lane(letter.chat))
        lane.letters.append(letter)
        if not lane.busy:
            self._ready[lane.known].append(lane)
            self._wake.set()

    async def run(self) -> None:
        """Deal with letters until cancelled; those in hand go on then, see `close`."""
        while True:
            lane = self._next()
            if lane is not None:
                self._begin(lane)
                continue
            self._wake.clear()
            wait_s = None
            if self._ready[False] and self._at_work[False] < STRANGERS_AT_ONCE:
                wait_s = max(self._next_stranger_at - self._clock(), 0.001)
            try:
                await asyncio.wait_for(self._wake.wait(), wait_s)
            except TimeoutError:
                continue

    async def close(self, within_s: float) -> None:
        """Wait until the letters in hand are dealt with, and cancel those that take longer."""
        tasks = list(self._tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=within_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for lane in self._lanes.values():
            for letter in lane.letters:
                letter.dealt_with.cancel()

    def _pace(self, sender: str) -> _Pace:
        pace = self._paces.setdefault(sender, _Pace())
        self._paces.move_to_end(sender)
        if len(self._paces) > SENDERS_REMEMBERED:
            self._paces.popitem(last=False)
        return pace

    def _next(self) -> _Lane | None:
        if self._at_work[True] < KNOWN_AT_ONCE:
            lane = _first_idle(self._ready[True])
            if lane is not None:
                return lane
        now = self._clock()
        if now < self._next_stranger_at or self._at_work[False] >= STRANGERS_AT_ONCE:
            return None
        lane = _first_idle(self._ready[False])
        if lane is not None:
            self._next_stranger_at = now + self._interval_s
        return lane

    def _begin(self, lane: _Lane) -> None:
        lane.busy = True
        known = lane.known
        self._at_work[known] += 1
        task = asyncio.create_task(self._serve(lane, lane.letters.popleft(), known=known))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, lane: _Lane, letter: Letter, *, known: bool) -> None:
        try:
            await self._handle(letter)
        except asyncio.CancelledError:
            letter.dealt_with.cancel()
            raise
        except Exception:
            log.exception("update_failed", update_id=letter.number)
        finally:
            lane.busy = False
            self._at_work[known] -= 1
            self._leave(letter)
            if lane.letters:
                self._ready[lane.known].append(lane)
            else:
                del self._lanes[lane.chat]
            self._wake.set()

    def _leave(self, letter: Letter) -> None:
        if not letter.dealt_with.done():
            letter.dealt_with.set_result(None)
        if not letter.admitted:
            return
        self._strangers_waiting -= not letter.known
        place = letter.chat, letter.sender
        self._waiting[place] -= 1
        if not self._waiting[place]:
            del self._waiting[place]


def _first_idle(lanes: deque[_Lane]) -> _Lane | None:
    """Take the first lane that has a letter and nobody at work; a lane may be listed twice."""
    while lanes:
        lane = lanes.popleft()
        if lane.letters and not lane.busy:
            return lane
    return None
