"""A limit on the size of request bodies."""

from collections.abc import Mapping
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.api.middleware.headers import header
from cloud.api.problems import problem
from cloud.contract import ProblemCode


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
        announced = header(scope, b"content-length")
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
