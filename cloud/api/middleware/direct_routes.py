"""What a door waits on, served without what FastAPI does for all other routes.

These routes read their key and their body by themselves and answer with a response, so FastAPI's
search through the included routers, its dependencies and its exit stacks find nothing to do for
them, and take longer than half of their own work. Each is a route of FastAPI too: for the OpenAPI
document, for other methods at its address, and where traces are on, since it names their spans.
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
    """The innermost middleware: serves POST at some addresses, and hands all else on.

    Args:
        app: what all else is handed to.
        endpoints: by address.
        handlers: of errors, as the app has them.
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
