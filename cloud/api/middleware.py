"""What stands around every request: a limit on bodies, headers for browsers, a log line."""

import time
import uuid
from http import HTTPStatus

import structlog
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
}

NOTHING_LOADED = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""Content-Security-Policy of all but the API's own documentation, which loads its viewer."""

DOCUMENTATION = ("/docs", "/redoc")


class BodyLimit:
    """Refuses bodies over `limit` bytes: by their announced length, else as soon as they pass it.

    Starlette's own middleware answers in plain text, and problems are JSON here.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = f"a body may have {self._limit} bytes at most"
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > self._limit:
            await problem(ProblemCode.BODY_TOO_LARGE, said)(scope, receive, send)
            return
        read = 0

        async def limited() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._limit:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, said)
            return message

        await self._app(scope, limited, send)


class Observation:
    """Sets headers for browsers, times each request, and writes one log line about it.

    An error that nothing else answered is logged here and answered with a problem.

    The line has the pattern of the route and not the address, which may hold a token.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        structlog.contextvars.clear_contextvars()
        request_id = uuid.uuid4().hex
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
                headers["X-Request-Id"] = request_id
                for name, value in SECURITY_HEADERS.items():
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
