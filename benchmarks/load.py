"""A load: callers on loopback post again as soon as they were answered, or at a constant rate."""

import asyncio
import itertools
import statistics
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import psutil
import uvloop


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of a load measured.

    Args:
        waits: seconds from each call to its answer; at a pace, from when the call was due, so that
            a server that is behind is not spared the calls that it holds up.
        seconds: how long the run took.
        processor_s: processor time of the watched process meanwhile, in seconds.
    """

    waits: Sequence[float]
    seconds: float
    processor_s: float = 0.0

    @classmethod
    def total(cls, runs: Sequence[Self]) -> Self:
        """Return several runs as one."""
        return cls(
            [wait for run in runs for wait in run.waits],
            sum(run.seconds for run in runs),
            sum(run.processor_s for run in runs),
        )

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.waits) / self.seconds

    @property
    def processor_us(self) -> float:
        """Processor time per answer, in microseconds."""
        return self.processor_s * 1e6 / len(self.waits)

    @property
    def p50_ms(self) -> float:
        """Time from call to answer that half of them took at most, in milliseconds."""
        return self._centile(50)

    @property
    def p99_ms(self) -> float:
        """Time from call to answer that 99 of 100 took at most, in milliseconds."""
        return self._centile(99)

    def _centile(self, n: int) -> float:
        return statistics.quantiles(self.waits, n=100)[n - 1] * 1000


class LoadError(Exception):
    """An answer was not the expected one: a rate of refusals is not a rate."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is called, and the process that serves it.

    Args:
        body: makes the body of the next call.
        taken: is given the body of each answer.
    """

    url: str
    body: Callable[[], bytes]
    headers: dict[str, str]
    expected: int = 201
    watched: psutil.Process | None = None
    taken: Callable[[bytes], object] = len

    async def call(self, session: aiohttp.ClientSession) -> None:
        """Post once; raise LoadError where the answer is another than expected."""
        async with session.post(self.url, data=self.body()) as answer:
            text = await answer.read()
            if answer.status != self.expected:
                raise LoadError(f"{self.url} was answered {answer.status}: {text[:200]!r}")
        self.taken(text)

    def processor_s(self) -> float:
        """Return the processor time that the watched process has taken since it began."""
        if self.watched is None:
            return 0.0
        taken = self.watched.cpu_times()
        return float(taken.user + taken.system)


Work = Callable[[aiohttp.ClientSession, list[float]], Coroutine[Any, Any, object]]


async def _measured(target: Target, connections: int, work: Work) -> Load:
    waits: list[float] = []
    connector = aiohttp.TCPConnector(limit=connections)
    headers = {"Content-Type": "application/json", **target.headers}
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        before, began = target.processor_s(), time.perf_counter()
        await work(session, waits)
        took = time.perf_counter() - began
        return Load(waits, took, target.processor_s() - before)


def drive(target: Target, *, callers: int, seconds: float, at_most: int | None = None) -> Load:
    """Let callers post for a time, each again as soon as it was answered.

    Args:
        target: The address that they post to.
        callers: The number of callers.
        seconds: The time.
        at_most: The number of calls after which the load ends sooner.

    Returns:
        The measurement.

    Raises:
        LoadError: An answer was not the expected one.
    """

    async def all_callers(session: aiohttp.ClientSession, waits: list[float]) -> None:
        stop = time.perf_counter() + seconds
        turns = itertools.count() if at_most is None else iter(range(at_most))

        async def caller() -> None:
            for _ in turns:
                if (start := time.perf_counter()) >= stop:
                    return
                await target.call(session)
                waits.append(time.perf_counter() - start)

        await asyncio.gather(*(caller() for _ in range(callers)))

    return uvloop.run(_measured(target, callers, all_callers))


def pace(target: Target, *, rate: float, seconds: float, connections: int = 100) -> Load:
    """Post at a constant rate, whether earlier calls were answered or not.

    Args:
        target: The address that is posted to.
        rate: Calls a second.
        seconds: How long.
        connections: Connections at a time, at most.

    Returns:
        The measurement.

    Raises:
        LoadError: An answer was not the expected one.
    """

    async def one_after_another(session: aiohttp.ClientSession, waits: list[float]) -> None:
        began = time.perf_counter()

        async def call(due: float) -> None:
            await target.call(session)
            waits.append(time.perf_counter() - due)

        calls: list[asyncio.Task[None]] = []
        for n in range(int(rate * seconds)):
            due = began + n / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            calls.append(asyncio.create_task(call(due)))
        await asyncio.gather(*calls)

    return uvloop.run(_measured(target, connections, one_after_another))


def at_once(target: Target, *, callers: int) -> Load:
    """Let callers post once, all at the same moment.

    Args:
        target: The address that they post to.
        callers: The number of callers.

    Returns:
        The measurement.

    Raises:
        LoadError: An answer was not the expected one.
    """

    async def together(session: aiohttp.ClientSession, waits: list[float]) -> None:
        async def call() -> None:
            start = time.perf_counter()
            await target.call(session)
            waits.append(time.perf_counter() - start)

        await asyncio.gather(*(call() for _ in range(callers)))

    return uvloop.run(_measured(target, callers, together))
