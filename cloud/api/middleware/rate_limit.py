"""A limit on the rate of requests, of each address and of each key or session."""

import time
from collections.abc import Callable
from typing import Final

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from cloud.api.access.callers import address_of, bearer
from cloud.api.middleware.headers import header
from cloud.api.problems import problem
from cloud.contract import ProblemCode
from cloud.errors import KeyMissing

PROBE: Final = "/healthz"
"""Never limited: an orchestrator that gets no answer here ends the process."""


class Counters(MemoryStorage):
    """Counters that are forgotten by the hits that come after them.

    MemoryStorage starts a thread to forget, a hundred times a second under load, and takes locks;
    all hits of a middleware come from one event loop.
    """

    SWEEP_S = 10.0

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock
        self._sweep_at = 0.0

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count, and return the count; `expiry` is the window's length in seconds."""
        now = self._clock()
        if now >= self._sweep_at:
            self._sweep_at = now + self.SWEEP_S
            for old in [key for key, end in self.expirations.items() if end <= now]:
                del self.storage[old], self.expirations[old]
        end = self.expirations.get(key)
        if end is None or end <= now:
            self.storage[key], self.expirations[key] = 0, now + expiry
        self.storage[key] += amount
        return self.storage[key]


class RateLimit:
    """Refuses requests over a rate, of one address and of one key or session.

    Counted in this process and in fixed windows, which takes some microseconds and no round trip.
    A key's requests are told apart by the key as authentication reads it, and before it is
    checked: who does not have the key cannot use its rate up. What authentication will not read
    counts for its address alone.
    """

    def __init__(
        self, app: ASGIApp, per_address: str | None, per_key: str | None, cookie: str
    ) -> None:
        self._app = app
        self._cookie = cookie
        self._per_address = parse(per_address) if per_address else None
        self._per_key = parse(per_key) if per_key else None
        self._windows = FixedWindowRateLimiter(Counters())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        refused = self._over(scope) if scope["type"] == "http" else None
        if refused is None:
            await self._app(scope, receive, send)
            return
        limit, *identifiers = refused
        window = self._windows.get_window_stats(limit, *identifiers)
        seconds = max(1, round(window.reset_time - time.time() + 0.5))
        await problem(
            ProblemCode.RATE_LIMITED,
            f"one {identifiers[0]} may send {limit}; the next window begins in {seconds} s",
            headers={"Retry-After": str(seconds)},
        )(scope, receive, send)

    def _over(self, scope: Scope) -> tuple[RateLimitItem, str, str] | None:
        if scope["path"] == PROBE:
            return None
        if self._per_address is not None:
            address = address_of(scope.get("client"))
            if not self._windows.hit(self._per_address, "address", address):
                return self._per_address, "address", address
        if self._per_key is not None:
            kind, secret = self._credentials(scope)
            # Python's own hash of a text is keyed anew in every process.
            if secret and not self._windows.hit(self._per_key, kind, str(hash(secret))):
                return self._per_key, kind, str(hash(secret))
        return None

    def _credentials(self, scope: Scope) -> tuple[str, str | None]:
        try:
            key = bearer(scope["headers"])
        except KeyMissing:
            return "key", None
        if key is None and header(scope, b"cookie"):
            return "session", Request(scope).cookies.get(self._cookie)
        return "key", key
