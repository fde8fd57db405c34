"""Who calls the routes that a door waits on, and what they sent, without a round trip of its own.

FastAPI's dependencies would look the key up before the body is read. These routes decide on what
the process remembers of the key and of the gate, and have that checked by the script that writes.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from cloud import store as cloud_store
from cloud.api.access.callers import bearer
from cloud.api.access.dependencies import Principal, authorise, settings_of, signed_in, store_of
from cloud.api.request_body import content_type_of, unmarked
from cloud.errors import KeyMissing, RequestRefused
from cloud.store import AsyncStore, PolicyContext, StoredKey
from cloud.store.access.keys import split_key, verified

M = TypeVar("M", bound=BaseModel)
R = TypeVar("R")


def described(
    model: type[BaseModel], *, by_session: bool = False, **examples: object
) -> dict[str, Any]:
    """Return what OpenAPI says of a route that reads its body and its key by itself."""
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
    """Return a request's body as a `model`; raise RequestValidationError where it is none."""
    document = unmarked(content_type_of(request.scope), body)
    try:
        return model.model_validate_json(document)
    except ValidationError as error:
        raise RequestValidationError(
            [{**each, "loc": ("body", *each["loc"])} for each in error.errors()]
        ) from error


class Credentials:
    """The key that a request came with."""

    def __init__(self, request: Request, operation: str) -> None:
        text = bearer(request.scope["headers"])
        if text is None:
            raise KeyMissing("send `Authorization: Bearer mg_…`")
        self.key_id, self._secret = split_key(text)
        self._operation = operation

    def caller(self, context: PolicyContext) -> StoredKey:
        """Return the key, once it is known to be good for the operation."""
        key = verified(context.key, self._secret)
        authorise(key.role, self._operation)
        return key

    async def decide(
        self,
        store: AsyncStore,
        gate: str | None,
        decision: Callable[[StoredKey, PolicyContext], Awaitable[R | None]],
    ) -> R:
        """Return what `decision` comes to; it answers None where what it rests on has changed.

        Nobody is refused on what the process remembers: a refusal is looked into afresh.
        """
        held = store.cached_context(self.key_id, gate)
        while True:
            context = held or await store.read_context(self.key_id, gate)
            try:
                caller = self.caller(context)
                settled = await decision(caller, context)
            except (RequestRefused, RequestValidationError):
                if held is None:
                    raise
                settled = None
            if settled is not None:
                structlog.contextvars.bind_contextvars(key_id=caller.id)
                return settled
            held = None


class SessionCredentials:
    """The session of a person who does by hand what a key does at the door."""

    def __init__(self, caller: Principal) -> None:
        self._caller = caller

    async def decide(
        self,
        store: AsyncStore,
        gate: str | None,
        decision: Callable[[Principal, PolicyContext], Awaitable[R | None]],
    ) -> R:
        """Return what `decision` comes to, as `Credentials.decide` does."""
        while True:
            context = await store.read_context(self._caller.id, gate)
            if (settled := await decision(self._caller, context)) is not None:
                return settled


async def credentials_of(request: Request, operation: str) -> Credentials | SessionCredentials:
    """Return the key that a request came with; without one, its session."""
    if "Authorization" in request.headers:
        return Credentials(request, operation)
    store, now = store_of(request), cloud_store.now()
    session = await run_in_threadpool(signed_in, request, store, settings_of(request), now)
    authorise(session.role, operation)
    structlog.contextvars.bind_contextvars(key_id=session.id)
    return SessionCredentials(session)
