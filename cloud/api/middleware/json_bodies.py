"""Middleware that checks JSON bodies before FastAPI reads them."""

from typing import Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.api.middleware.methods import Resources
from cloud.api.problems import http_problem, invalid_request
from cloud.api.request_body import JSON, content_type_of, parse, unmarked

_CHANGES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class JsonBodies:
    """Looks at the bodies of all other routes before FastAPI reads them.

    Args:
        app: what a good body is handed to.
        resources: what there is, and which methods it takes.
        others: addresses whose bodies are no JSON, or are read by their routes.
    """

    def __init__(self, app: ASGIApp, resources: Resources, others: frozenset[str]) -> None:
        self._app = app
        self._resources = resources
        self._others = others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI 3)."""
        if (
            scope["type"] != "http"
            or scope["method"] not in _CHANGES
            or scope["path"] in self._others
        ):
            await self._app(scope, receive, send)
            return
        resource = self._resources.at(scope["path"])
        if resource is None or scope["method"] not in resource.methods:
            await self._app(scope, receive, send)
            return
        scope["route"] = resource  # under whose pattern it is counted, should it end here
        try:
            body = await _whole(receive)
            if body:
                body = unmarked(content_type_of(scope), body)
                parse(body)
        except RequestValidationError as error:
            await invalid_request(error)(scope, receive, send)
            return
        except HTTPException as error:  # the body is over its limit
            await http_problem(scope["method"], error)(scope, receive, send)
            return
        if body and not content_type_of(scope):
            scope["headers"] = [*scope["headers"], (b"content-type", JSON)]
        given = False

        async def whole() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, whole, send)


async def _whole(receive: Receive) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
