"""A load: so many callers, each posting again as soon as it was answered, on loopback."""

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of a load measured.

    Args:
        rate: answers per second.
        p50_ms, p99_ms: time from call to answer, in milliseconds.
    """

    rate: float
    p50_ms: float
    p99_ms: float


class LoadError(Exception):
    """An answer was not the expected one: a rate of refusals is not a rate."""


async def _drive(
    url: str,
    body: Callable[[], bytes],
    headers: dict[str, str],
    *,
    callers: int,
    seconds: float,
    expected: int,
) -> Load:
    latencies: list[float] = []
    stop = time.perf_counter() + seconds
    connector = aiohttp.TCPConnector(limit=callers)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def call() -> None:
            while (start := time.perf_counter()) < stop:
                async with session.post(url, data=body()) as answer:
                    text = await answer.read()
                    if answer.status != expected:
                        raise LoadError(f"{url} was answered {answer.status}: {text[:200]!r}")
                latencies.append(time.perf_counter() - start)

        began = time.perf_counter()
        await asyncio.gather(*(call() for _ in range(callers)))
        took = time.perf_counter() - began
    cuts = statistics.quantiles(latencies, n=100)
    return Load(len(latencies) / took, cuts[49] * 1000, cuts[98] * 1000)


def drive(
    url: str,
    body: Callable[[], bytes],
    headers: dict[str, str],
    *,
    callers: int,
    seconds: float,
    expected: int = 201,
) -> Load:
    """Post to `url` for so many seconds.

    Raises:
        LoadError: an answer was not `expected`.
    """
    sent = {"Content-Type": "application/json", **headers}
    return asyncio.run(_drive(url, body, sent, callers=callers, seconds=seconds, expected=expected))
