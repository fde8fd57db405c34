"""What stands around every request: limits on size and rate, headers for browsers, a log line."""

import itertools
import re
import secrets
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

import structlog
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.api.callers import address_of, bearer
from cloud.api.metrics import Metrics
from cloud.api.problems import problem
from cloud.contract import ProblemCode
from cloud.errors import KeyMissing

log = structlog.get_logger("cloud.api")

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

HUNG_UP: Final = 499
"""What a request is counted as whose client left before its answer began (nginx's number)."""

ENDED_AS: Final = "ended_as"
"""Where the state of a request says with which status its connection ended before the answer."""

OVER_TLS = {"Strict-Transport-Security": "max-age=31536000"}
"""Added where browsers reach the API over https (RFC 6797): for a year, by https alone."""

PROBE: Final = "/healthz"
"""Never limited: an orchestrator that gets no answer here ends the process."""

WITHOUT_NEWS: Final = frozenset(
    {
        # Asked by the platform, every few seconds.
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        # Each device, every half minute or for as long as somebody watches.
        ("POST", "/v1/devices/me/heartbeat"),
        ("GET", "/v1/devices/me/commands"),
        ("PUT", "/v1/devices/me/preview"),
        # Each open screen, every second.
        ("GET", "/v1/events"),
        ("GET", "/v1/events/stream"),
        ("GET", "/v1/gates"),
        ("GET", "/v1/devices"),
        ("GET", "/v1/deliveries"),
        ("GET", "/v1/passes/{pass_id}/qr.png"),
        ("GET", "/v1/gates/{gate_id}/preview.jpg"),
    }
)
"""Requests that repeat by themselves: one that succeeds is logged at `debug` alone."""

NOTHING_LOADED = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Content-Security-Policy of all but the API's own documentation, which loads its viewer."""

DOCUMENTATION = ("/docs", "/redoc")


CONTENT_POLICY = {"Content-Security-Policy": NOTHING_LOADED}


def security_headers(*, over_tls: bool) -> list[tuple[bytes, bytes]]:
    """Return the headers that every answer has, as they travel."""
    return _raw(SECURITY_HEADERS | CONTENT_POLICY | (OVER_TLS if over_tls else {}))


def _header(scope: Scope, wanted: bytes) -> bytes:
    """Return a header, or nothing where it was not sent. Names are in lower case (ASGI)."""
    for name, value in scope["headers"]:
        if name == wanted:
            return bytes(value)
    return b""


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
        if key is None and _header(scope, b"cookie"):
            return "session", Request(scope).cookies.get(self._cookie)
        return "key", key


class BodyLimit:
    """Refuses bodies over a number of bytes: by their announced length, else as they pass it.

    `limit` is for all addresses but those that `exceptions` gives one of their own.

    Starlette's own middleware answers in plain text, and problems are JSON here.
    """

    def __init__(
        self, app: ASGIApp, limit: int, exceptions: Mapping[str, int] | None = None
    ) -> None:
        self._app = app
        self._limit = limit
        self._exceptions = exceptions or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._exceptions.get(scope["path"], self._limit)
        announced = _header(scope, b"content-length")
        if announced.isdigit():
            # More than was announced is not of this request (RFC 9112 section 6.2).
            if int(announced) <= limit:
                await self._app(scope, receive, send)
            else:
                refused = problem(ProblemCode.BODY_TOO_LARGE, _too_large(limit))
                await refused(scope, receive, send)
            return
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(limit))
            return message

        await self._app(scope, limited, send)


def _too_large(limit: int) -> str:
    return f"a body may have {limit} bytes at most"


REQUEST_ID_HEADER = b"x-request-id"
REQUEST_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9_.:-]{7,63}")
"""What a proxy's request id may look like to be taken over; another is replaced by one of ours."""


class Observation:
    """Sets headers for browsers, times each request, and writes one log line about it.

    An error that nothing else answered is logged here and answered with a problem. A client that
    leaves before its answer is no error of ours: its request counts as 499, or as what its
    connection was ended with.

    The line has the pattern of the route and not the address, which may hold a token.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, *, over_tls: bool = False) -> None:
        self._app = app
        self._metrics = metrics
        self._log = log.bind()
        # A process, and its requests one after the other.
        process = secrets.token_hex(10)
        self._ids = (f"{process}{number:012x}" for number in itertools.count())
        self._documentation = _raw(SECURITY_HEADERS | (OVER_TLS if over_tls else {}))
        self._headers = security_headers(over_tls=over_tls)
        self._names = frozenset(name for name, _ in self._headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        structlog.contextvars.clear_contextvars()
        given = _header(scope, REQUEST_ID_HEADER)
        request_id = given.decode() if REQUEST_ID.fullmatch(given) else next(self._ids)
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
        started_answer = False

        async def observed(message: Message) -> None:
            nonlocal status, started_answer
            if message["type"] == "http.response.start":
                started_answer = True
                status = message["status"]
                sent = message["headers"] = list(message.get("headers", ()))
                names = {name for name, _ in sent}
                documented = scope["path"].startswith(DOCUMENTATION)
                ours = self._documentation if documented else self._headers
                if names.isdisjoint(self._names):
                    sent += ours
                else:
                    sent += [header for header in ours if header[0] not in names]
                sent.append((REQUEST_ID_HEADER, request_id.encode()))
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except ClientDisconnect:
            status = status if started_answer else HUNG_UP
        except Exception:
            if started_answer:
                raise
            log.exception("unforeseen_error")
            said = "the fault is in our log; trying again may not help"
            await problem(ProblemCode.INTERNAL, said)(scope, receive, observed)
        finally:
            seconds = time.perf_counter() - started
            status = scope.get("state", {}).get(ENDED_AS, status)
            route = getattr(scope.get("route"), "path", "unmatched")
            self._metrics.answered(scope["method"], route, status, seconds)
            method = "GET" if scope["method"] == "HEAD" else scope["method"]
            quiet = status < HTTPStatus.BAD_REQUEST and (method, route) in WITHOUT_NEWS
            (self._log.debug if quiet else self._log.info)(
                "request",
                method=scope["method"],
                route=route,
                status=status,
                ms=round(seconds * 1000, 1),
            )


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """Return headers as they travel: encoded once, and not for each answer."""
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]
