"""The API against a bare FastAPI route: what is left of the framework's rate."""

import secrets
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import orjson
import psutil
import uuid_utils

from benchmarks.load import Load, LoadError, Target, at_once, drive, pace
from benchmarks.rows import Row
from cloud.contract import Event, Label, Outcome, Redemption
from demo.deployment import Deployment, free_port

CALLERS = 64
"""So many that the server is never out of work, on either side: with 32 it waits for the disk,
whose word Redis answers for, a quarter of the time."""

TURNS = 8
"""Each side is measured in so many turns, one after the other's: what else this machine does then
weighs on both alike."""

UNLIMITED = {
    # The limits count as ever, and refuse nobody: one device sends what a fleet does.
    **dict.fromkeys(("CLOUD_KEY_RATE", "CLOUD_ADDRESS_RATE"), "1000000 per second"),
    "CLOUD_LOG_LEVEL": "info",  # the default: a line for each request
}

CROWD = 100
P99_MS = 50.0
EVENTS_TO_REACH = 0.6
REDEMPTIONS_TO_REACH = 0.8


_NOW = datetime.now(UTC)
_EVENT = Event(
    id=UUID(int=uuid_utils.uuid7().int),
    label=Label.WITH_MASK,
    confidence=0.97,
    votes=9,
    first_seen_at=_NOW,
    occurred_at=_NOW,
).model_dump(mode="json")


def event() -> bytes:
    """Return the body of a new event that will be granted: it occurs now, as a door's does."""
    now = datetime.now(UTC)
    fresh = {"id": str(uuid_utils.uuid7()), "first_seen_at": now, "occurred_at": now}
    return orjson.dumps({**_EVENT, **fresh})


def attempt(token: str) -> bytes:
    """Return the body of a new attempt to enter with a token."""
    return orjson.dumps({"token": token, "nonce": secrets.token_hex(8)})


@dataclass
class Tokens:
    """Tokens that events were answered with, each to be redeemed once."""

    held: deque[str] = field(default_factory=deque)

    def take_from(self, answer: bytes) -> None:
        """Keep the token of an answered event."""
        issued = orjson.loads(answer)["pass"]
        if issued is None:
            raise LoadError("a mask worn well was refused")
        self.held.append(issued["token"])

    def attempt(self) -> bytes:
        """Return an attempt with a token that was not tried before."""
        if not self.held:
            raise LoadError("redemptions are so fast that the tokens ran out")
        return attempt(self.held.popleft())


@dataclass(frozen=True, slots=True)
class Sides:
    """What is called in turns."""

    bare: Target
    events: Target
    redemptions: Target
    tokens: Tokens


def rows(state: Path, seconds: float) -> dict[str, Row]:
    """Measure events, redemptions and the bare route in turns, on one Redis.

    Args:
        state: An empty folder for Redis and the device's key.
        seconds: How long each of the three is under load, in all.

    Returns:
        The rows of the table, by name.
    """
    state.mkdir(parents=True, exist_ok=True)
    deployment = Deployment(state)
    with ExitStack() as stack:
        redis = stack.enter_context(deployment.running("redis"))
        api = stack.enter_context(_served(("-m", "cloud", "api"), deployment, **UNLIMITED))
        deployment.wait_for(f"{deployment.api_url}/readyz", redis, "the API")
        deployment.prepare()
        port = free_port(8100)
        uvicorn = ("-m", "uvicorn", "benchmarks.bare:app", "--no-access-log", "--port", str(port))
        bare = stack.enter_context(_served(uvicorn, deployment))
        deployment.wait_for(f"http://127.0.0.1:{port}/docs", redis, "the bare route")
        tokens = Tokens()
        sides = Sides(
            bare=Target(f"http://127.0.0.1:{port}/bare", event, {}, watched=bare),
            events=Target(
                f"{deployment.api_url}/v1/events",
                event,
                {"Authorization": f"Bearer {deployment.device_key()}"},
                watched=api,
                taken=tokens.take_from,
            ),
            redemptions=Target(
                f"{deployment.api_url}/v1/passes/redeem",
                tokens.attempt,
                {"Authorization": f"Bearer {deployment.keys['scanner']}"},
                expected=200,
                watched=api,
            ),
            tokens=tokens,
        )
        return _measured(sides, seconds)


@contextmanager
def _served(
    arguments: tuple[str, ...], deployment: Deployment, **settings: str
) -> Iterator[psutil.Process]:
    """Run `python <arguments>`; its log goes to a file, as that of a container does."""
    with (deployment.state / f"{arguments[-1]}.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, *arguments], env={**deployment.environment(), **settings}, stderr=log
        )
        try:
            yield psutil.Process(server.pid)
        finally:
            server.terminate()
            server.wait()


def _measured(sides: Sides, seconds: float) -> dict[str, Row]:
    loads: dict[str, list[Load]] = {"bare": [], "events": [], "redemptions": []}
    turn = seconds / TURNS
    for _ in range(TURNS):
        loads["bare"].append(drive(sides.bare, callers=CALLERS, seconds=turn))
        loads["events"].append(drive(sides.events, callers=CALLERS, seconds=turn))
        # Redemptions are the faster ones: they stop where the tokens of the last turn end.
        loads["redemptions"].append(
            drive(sides.redemptions, callers=CALLERS, seconds=turn, at_most=len(sides.tokens.held))
        )
    bare, events, redemptions = (Load.total(loads[name]) for name in loads)
    pace_of, half = events.rate / 2, seconds / TURNS
    paced: dict[str, list[Load]] = {"bare": [], "events": []}
    for _ in range(TURNS):
        paced["bare"].append(pace(sides.bare, rate=pace_of, seconds=half))
        paced["events"].append(pace(sides.events, rate=pace_of, seconds=half))
    bare_paced, events_paced = (Load.total(paced[name]) for name in paced)
    return {
        **_against("api events", "events/s", events, bare, EVENTS_TO_REACH),
        "api event, median": Row(
            events.p50_ms,
            "ms",
            f"bare route at {CALLERS} callers: {bare.p50_ms:.1f} ms",
            events.p50_ms / bare.p50_ms,
        ),
        "api event at half the rate, p99": Row(
            events_paced.p99_ms,
            "ms",
            f"bare route at as many: {bare_paced.p99_ms:.1f} ms; to reach: {P99_MS:.0f} ms",
            events_paced.p99_ms / P99_MS,
        ),
        **_against("api redemptions", "redemptions/s", redemptions, bare, REDEMPTIONS_TO_REACH),
        "api, one token tried at once": _crowd(sides),
    }


def _against(name: str, unit: str, ours: Load, bare: Load, to_reach: float) -> dict[str, Row]:
    """Return the rate, and the processor time that what else runs here has no part in."""
    return {
        name: Row(
            ours.rate,
            unit,
            f"bare route, one round trip: {bare.rate:,.0f}/s; to reach: {to_reach}",
            ours.rate / bare.rate,
        ),
        f"{name}, processor time": Row(
            ours.processor_us,
            "µs",
            f"bare route: {bare.processor_us:,.0f} µs; the ratio is that of what one core can do",
            bare.processor_us / ours.processor_us,
        ),
    }


def _crowd(sides: Sides) -> Row:
    """Try one token from many connections at the same moment."""
    sides.tokens.held.clear()
    drive(sides.events, callers=1, seconds=1.0, at_most=1)
    token = sides.tokens.held.popleft()
    outcomes: list[Outcome] = []

    def take(answer: bytes) -> None:
        outcomes.append(Redemption.model_validate_json(answer).outcome)

    crowd = Target(
        sides.redemptions.url,
        _always(token),
        sides.redemptions.headers,
        expected=200,
        taken=take,
    )
    at_once(crowd, callers=CROWD)
    admitted = outcomes.count(Outcome.ADMITTED)
    others = set(outcomes) - {Outcome.ADMITTED, Outcome.ALREADY_REDEEMED}
    if len(outcomes) != CROWD or others:
        raise LoadError(f"{CROWD} tries at once were answered {outcomes}")
    return Row(admitted, "admitted", f"of {CROWD} tries; to reach: exactly 1", admitted / 1)


def _always(token: str) -> Callable[[], bytes]:
    return lambda: attempt(token)
