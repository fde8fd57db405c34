"""Bodies in JSON, read in one way by every route, whoever parses them in the end.

The routes of the door parse their bodies by pydantic (jiter), and all others by FastAPI (json).
The two differ in what they take, so what is common is checked here: UTF-8 (RFC 8259 section 8.1),
with or without a byte order mark, which is left out; a media type of JSON, or none; whole documents
of at most 200 levels. Of a name that comes twice in one object the last counts.
"""

from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic_core import from_json
from starlette.types import Scope

from cloud.contract import ProblemCode
from cloud.errors import RequestRefused

BOM: Final = b"\xef\xbb\xbf"
JSON: Final = b"application/json"

_CHARSETS: Final = frozenset({b"utf-8", b"utf8", b"us-ascii"})


class BodyInvalid(RequestValidationError, RequestRefused):  # noqa: N818 (as in `cloud.errors`)
    """The body of a request breaks its schema.

    It is answered as FastAPI's own error, and the rule of the door knows it as a refusal.
    """

    code = ProblemCode.MALFORMED_REQUEST


def _error(kind: str, message: str) -> list[dict[str, Any]]:
    return [{"type": kind, "loc": ("body",), "msg": message}]


def unmarked(content_type: bytes | None, body: bytes) -> bytes:
    """Return the body without a byte order mark.

    Raises:
        BodyInvalid: There is no body, or its content type is not JSON.
    """
    if not body:
        raise BodyInvalid(_error("missing", "Field required"))
    if content_type and content_type != JSON and not _is_json(content_type):
        raise BodyInvalid(
            _error("json_type", "send JSON in UTF-8, with Content-Type: application/json")
        )
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


def parse(body: bytes) -> Any:
    """Return the document that a body holds.

    Raises:
        BodyInvalid: The body is not JSON.
    """
    try:
        return from_json(body)
    except ValueError as error:
        raise BodyInvalid(_error("json_invalid", f"Invalid JSON: {error}")) from error
