"""What stands around every request: limits on size and rate, headers for browsers, a log line."""

import re
import time
import uuid
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import structlog
from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.api.metrics import Metrics
from cloud.api.problems import problem
from cloud.contract import ProblemCode

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

OVER_TLS = {"Strict-Transport-Security": "max-age=31536000"}
"""Added where browsers reach the API over https (RFC 6797): for a year, by https alone."""

PROBE: Final = "/healthz"
"""Never limited: an orchestrator that gets no answer here ends the process."""

NOTHING_LOADED = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Content-Security-Policy of all but the API's own documentation, which loads its viewer."""

DOCUMENTATION = ("/docs", "/redoc")


class RateLimit:
    """Refuses requests over a rate, of one address and of one key.

    Counted in this process and in fixed windows, which takes some microseconds and no round trip.
    A key's requests are told apart by what was sent and before it is checked: who does not have
    the key cannot use its rate up.
    """

    def __init__(self, app: ASGIApp, per_address: str | None, per_key: str | None) -> None:
        self._app = app
        self._per_address = parse(per_address) if per_address else None
        self._per_key = parse(per_key) if per_key else None
        self._windows = FixedWindowRateLimiter(MemoryStorage())

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
            address = scope["client"][0] if scope.get("client") else ""
            if not self._windows.hit(self._per_address, "address", address):
                return self._per_address, "address", address
        if self._per_key is not None:
            key = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
            # Python's own hash of bytes is keyed anew in every process.
            if key and not self._windows.hit(self._per_key, "key", str(hash(key))):
                return self._per_key, "key", str(hash(key))
        return None


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
        said = f"a body may have {limit} bytes at most"
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            await problem(ProblemCode.BODY_TOO_LARGE, said)(scope, receive, send)
            return
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, said)
            return message

        await self._app(scope, limited, send)


REQUEST_ID_HEADER = "X-Request-Id"
REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{7,63}")
"""What a proxy's request id may look like to be taken over; another is replaced by one of ours."""


class Observation:
    """Sets headers for browsers, times each request, and writes one log line about it.

    An error that nothing else answered is logged here and answered with a problem.

    The line has the pattern of the route and not the address, which may hold a token.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, *, over_tls: bool = False) -> None:
        self._app = app
        self._metrics = metrics
        self._headers = SECURITY_HEADERS | (OVER_TLS if over_tls else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        structlog.contextvars.clear_contextvars()
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        status = int(HTTPStatus.INTERNAL_SERVER_ERROR)
        started_answer = False

        async def observed(message: Message) -> None:
            nonlocal status, started_answer
            if message["type"] == "http.response.start":
                started_answer = True
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID_HEADER] = request_id
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith(DOCUMENTATION):
                    headers.setdefault("Content-Security-Policy", NOTHING_LOADED)
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except Exception:
            if started_answer:
                raise
            log.exception("unforeseen error")
            said = "the fault is in our log; trying again may not help"
            await problem(ProblemCode.INTERNAL, said)(scope, receive, observed)
        finally:
            seconds = time.perf_counter() - started
            route = getattr(scope.get("route"), "path", "unmatched")
            self._metrics.answered(scope["method"], route, status, seconds)
            log.info(
                "request",
                method=scope["method"],
                route=route,
                status=status,
                ms=round(seconds * 1000, 1),
            )
