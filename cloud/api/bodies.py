"""Bodies in JSON, read in one way by every route, whoever parses them in the end.

The routes of the door parse their bodies by pydantic (jiter), and all others by FastAPI (json).
The two differ in what they take, so what is common is checked here: UTF-8 (RFC 8259 section 8.1),
with or without a byte order mark, which is left out; a media type of JSON, or none; whole documents
of at most 200 levels. Of a name that comes twice in one object the last counts.
"""

from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloud.api.methods import Resources
from cloud.api.problems import http_problem, invalid_request

BOM: Final = b"\xef\xbb\xbf"
JSON: Final = b"application/json"

_CHARSETS: Final = frozenset({b"utf-8", b"utf8", b"us-ascii"})
_CHANGES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def _refused(kind: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"type": kind, "loc": ("body",), "msg": message}])


def unmarked(content_type: bytes | None, body: bytes) -> bytes:
    """Return the body without a byte order mark.

    Raises:
        RequestValidationError: there is no body, or it is said to be something else than JSON.
    """
    if not body:
        raise _refused("missing", "Field required")
    if content_type and content_type != JSON and not _is_json(content_type):
        raise _refused("json_type", "send JSON in UTF-8, with Content-Type: application/json")
    return body.removeprefix(BOM)


def content_type_of(scope: Scope) -> bytes | None:
    """Return what a request says of its body, or None where it says nothing."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            return bytes(value)
    return None


def _is_json(content_type: bytes) -> bool:
    """Return whether this is JSON (RFC 8259, or RFC 6839 section 3.1) in UTF-8."""
    media, *parameters = content_type.lower().split(b";")
    kind, _, subtype = media.strip().partition(b"/")
    if kind != b"application" or not (subtype == b"json" or subtype.endswith(b"+json")):
        return False
    named = (parameter.strip().partition(b"=") for parameter in parameters)
    return all(name != b"charset" or value.strip(b'"') in _CHARSETS for name, _, value in named)


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
                _parse(body)
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


def _parse(body: bytes) -> Any:
    try:
        return from_json(body)
    except ValueError as error:
        raise _refused("json_invalid", f"Invalid JSON: {error}") from error
