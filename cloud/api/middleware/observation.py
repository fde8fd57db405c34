"""What stands around every request: limits on size and rate, headers for browsers, a log line."""

import itertools
import re
import secrets
import time
from http import HTTPStatus
from typing import Final

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.api.metrics import Metrics
from cloud.api.middleware.headers import (
    DOCUMENTATION,
    documentation_headers,
    header,
    security_headers,
)
from cloud.api.problems import problem
from cloud.contract import ProblemCode

log = structlog.get_logger("cloud.api")

HUNG_UP: Final = 499
"""What a request is counted as whose client left before its answer began (nginx's number)."""

ENDED_AS: Final = "ended_as"
"""Where the state of a request says with which status its connection ended before the answer."""

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
        self._documentation = documentation_headers(over_tls=over_tls)
        self._headers = security_headers(over_tls=over_tls)
        self._names = frozenset(name for name, _ in self._headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        structlog.contextvars.clear_contextvars()
        given = header(scope, REQUEST_ID_HEADER)
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
