"""The credentials of requests to the direct routes, checked without a round trip of their own.

FastAPI's dependencies would look up the key before the body is read. The direct routes decide on
the policy context that the process has cached, which holds the key, and the script that writes the
decision checks that the context still holds.
"""

from typing import Any, Protocol, TypeVar

import structlog
from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ValidationError

from cloud import store as cloud_store
from cloud.api.access.callers import bearer
from cloud.api.access.dependencies import Principal, authorise, settings_of, signed_in, store_of
from cloud.api.request_body import BodyInvalid, content_type_of, unmarked
from cloud.errors import KeyMissing
from cloud.store import PolicyContext, StoredKey
from cloud.store.access.keys import split_key, verified

M = TypeVar("M", bound=BaseModel)


def described(
    model: type[BaseModel], *, by_session: bool = False, **examples: object
) -> dict[str, Any]:
    """Return the OpenAPI entries of a route that reads its body and its key itself.

    Args:
        model: The model of the body.
        by_session: Whether a session is accepted, too.
        examples: Examples of the body, by name; an underscore in a name is shown as a space.

    Returns:
        The entries `security` and `requestBody`.
    """
    ways: list[dict[str, list[str]]] = [{"HTTPBearer": []}]
    if by_session:
        ways.append({"APIKeyCookie": []})
    shown = {name.replace("_", " "): {"value": value} for name, value in examples.items()}
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {
        "security": ways,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schema, "examples": shown}},
        },
    }


def body_as(model: type[M], request: Request, body: bytes) -> M:
    """Return the body of a request as a model.

    Args:
        model: The model.
        request: The request.
        body: Its body.

    Returns:
        The validated model.

    Raises:
        BodyInvalid: The body is not JSON, or breaks the model.
    """
    document = unmarked(content_type_of(request.scope), body)
    try:
        return model.model_validate_json(document)
    except ValidationError as error:
        raise BodyInvalid(
            [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        ) from error


class Credentials(Protocol):
    """The credentials of one request."""

    @property
    def key_id(self) -> str:
        """The id of the key or of the account, before it is verified."""

    def caller(self, context: PolicyContext) -> Principal:
        """Return the caller, once verified for the operation."""


class KeyCredentials:
    """The key that a request came with.

    Args:
        request: The request.
        operation: The operation that the key is to be good for.

    Raises:
        KeyMissing: The request has no key.
    """

    def __init__(self, request: Request, operation: str) -> None:
        text = bearer(request.scope["headers"])
        if text is None:
            raise KeyMissing("send `Authorization: Bearer mg_…`")
        self.key_id, self._secret = split_key(text)
        self._operation = operation

    def caller(self, context: PolicyContext) -> StoredKey:
        """Return the key of the context, once verified for the operation."""
        key = verified(context.key, self._secret)
        authorise(key.role, self._operation)
        return key


class SessionCredentials:
    """The session of a person who does by hand what a scanner's key does."""

    def __init__(self, session: Principal) -> None:
        self.key_id = session.id
        self._session = session

    def caller(self, context: PolicyContext) -> Principal:  # noqa: ARG002 (as `Credentials` has it)
        """Return the person, whose session was verified before."""
        return self._session


async def credentials_of(request: Request, operation: str) -> Credentials:
    """Return the key that a request came with; without a key, the request's session."""
    if "Authorization" in request.headers:
        return KeyCredentials(request, operation)
    store, now = store_of(request), cloud_store.now()
    session = await run_in_threadpool(signed_in, request, store, settings_of(request), now)
    authorise(session.role, operation)
    structlog.contextvars.bind_contextvars(key_id=session.id)
    return SessionCredentials(session)
