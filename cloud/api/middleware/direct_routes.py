"""Direct routes: the two that a door waits on are called without FastAPI's routing.

These routes read their key and their body themselves, and return a response. FastAPI's search
through the routers, its dependencies and its exit stacks do nothing for them, and take longer than
half of their own work (docs/scale.md). Each is a route of FastAPI, too: for the OpenAPI document,
for other methods at its address, and for traces, whose spans FastAPI names.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Response]]


class DirectRoutes:
    """The innermost middleware: serves POST at some addresses, and hands other requests on.

    Args:
        app: The application that other requests are handed to.
        endpoints: The endpoints of the direct routes, by address.
        handlers: The application's handlers of errors.
    """

    def __init__(
        self, app: ASGIApp, endpoints: Mapping[str, Endpoint], handlers: Mapping[Any, Any]
    ) -> None:
        self._app = app
        self._served = {
            path: ExceptionMiddleware(_Application(path, endpoint), handlers)
            for path, endpoint in endpoints.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        served: ASGIApp | None = None
        if scope["type"] == "http" and scope["method"] == "POST":
            served = self._served.get(scope["path"])
        await (served or self._app)(scope, receive, send)


class _Application:
    def __init__(self, path: str, endpoint: Endpoint) -> None:
        self._route = Route(path, endpoint, methods=["POST"])
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["route"] = self._route  # under whose pattern the request is counted
        response = await self._endpoint(Request(scope, receive))
        await response(scope, receive, send)
