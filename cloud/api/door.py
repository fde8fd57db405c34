"""Routes that a door waits on, called without what FastAPI does for all others.

They read their key and their body by themselves and answer with a response, so FastAPI's search
through the included routers, its dependencies and its exit stacks find nothing to do for them, and
take as long as the routes' own work. Each is a route of FastAPI too, for the OpenAPI document.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Response]]


class DoorRoute(Route):
    """A route for POST that comes before FastAPI's own; errors are answered as everywhere."""

    def __init__(self, path: str, endpoint: Endpoint) -> None:
        super().__init__(path, _Application(endpoint), methods=["POST"])

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Say whether this route is asked for, and under which name it is counted (Starlette)."""
        match, found = super().matches(scope)
        return match, {**found, "route": self} if match is Match.FULL else found


class _Application:
    """What Starlette calls as it is (ASGI 3): functions it wraps once more."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._endpoint(Request(scope, receive))
        await response(scope, receive, send)
