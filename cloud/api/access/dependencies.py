"""What routes ask for, as types; and the one table that says which role may do what."""

import hmac
from datetime import datetime
from typing import Annotated, Final, Protocol

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from cloud import store as cloud_store
from cloud.api.access.callers import bearer
from cloud.api.access.roles import OF_NO_GATE, OF_SESSIONS, ROLES
from cloud.api.metrics import Metrics
from cloud.contract import Role
from cloud.errors import CsrfTokenInvalid, GateForbidden, KeyMissing, RoleForbidden
from cloud.settings import Settings
from cloud.store import AsyncStore, OpenSession, Store, csrf_token

COOKIE: Final = "mg_session"
CSRF_HEADER: Final = "X-CSRF-Token"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_cookie = APIKeyCookie(
    name=COOKIE,
    auto_error=False,
    description="A session, opened by `POST /v1/sessions`. Over https its name is "
    f"`__Host-{COOKIE}`; all but GET and HEAD need its csrf_token as `{CSRF_HEADER}`",
)
_bearer = HTTPBearer(
    auto_error=False, description="A key: `mg_<id>_<secret>`, made by `python -m cloud keys create`"
)


def store_of(request: Request) -> Store:
    """Return the store that the app's lifespan opened."""
    held: Store = request.app.state.store
    return held


def async_store_of(request: Request) -> AsyncStore:
    """Return the store for routes that a door waits on."""
    held: AsyncStore = request.app.state.async_store
    return held


def settings_of(request: Request) -> Settings:
    """Return the settings that the app was made with."""
    held: Settings = request.app.state.settings
    return held


def metrics_of(request: Request) -> Metrics:
    """Return the app's counters."""
    held: Metrics = request.app.state.metrics
    return held


StoreDep = Annotated[Store, Depends(store_of)]
SettingsDep = Annotated[Settings, Depends(settings_of)]
MetricsDep = Annotated[Metrics, Depends(metrics_of)]
Now = Annotated[datetime, Depends(cloud_store.now)]


class Principal(Protocol):
    """Who calls: a key, or a person with a session."""

    @property
    def id(self) -> str:
        """The key's id, or the account's."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def role(self) -> Role:
        """What it may do."""

    @property
    def gate(self) -> str | None:
        """The one gate where it may do that; None for all."""

    @property
    def device_id(self) -> str | None:
        """The device whose own key this is."""

    @property
    def expires_at(self) -> datetime | None:
        """When it ends by itself; None for never."""


def session_cookie(settings: Settings) -> str:
    """Return the cookie's name.

    Over https it begins with `__Host-`, with which browsers take it from this very host alone, so
    that no neighbouring site can plant a session (RFC 6265bis section 4.1.3.2).
    """
    return f"__Host-{COOKIE}" if settings.public_over_tls else COOKIE


def authorised(
    request: Request,
    store: StoreDep,
    settings: SettingsDep,
    now: Now,
    _key: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    _session: Annotated[str | None, Security(_cookie)],
) -> Principal:
    """Return who is behind the request, once known to be good for this operation.

    A key wins over a session; a request with a broken key is never saved by its cookie.
    """
    caller: Principal
    key = bearer(request.scope["headers"])
    if key is not None:
        caller = store.keys.authenticate(key)
    else:
        caller = signed_in(request, store, settings, now)
    operation = request.scope["route"].name
    authorise(caller.role, operation)
    structlog.contextvars.bind_contextvars(key_id=caller.id)
    return caller


def authorise(role: Role, operation: str) -> None:
    """Return if the role may do this; raise RoleForbidden if not."""
    if role not in ROLES[operation]:
        raise RoleForbidden(
            f"a {role.value} may not do this; it takes "
            + " or ".join(sorted(may.value for may in ROLES[operation]))
        )


def signed_in(request: Request, store: Store, settings: Settings, now: datetime) -> Principal:
    """Return the session in the request's cookie.

    Args:
        request: The request.
        store: The store.
        settings: The settings.
        now: The present.

    Returns:
        The session.

    Raises:
        KeyMissing: The request has no such cookie.
        SessionInvalid: The session has ended.
        CsrfTokenInvalid: The request changes something, and lacks the token that proves that it
            comes from a page of the dashboard.
    """
    secret = request.cookies.get(session_cookie(settings))
    if not secret or "Authorization" in request.headers:
        raise KeyMissing("send `Authorization: Bearer mg_…`, or sign in")
    session = store.sessions.authenticate(secret, now)
    if request.method not in SAFE_METHODS:
        # Beside SameSite=Strict, which old browsers and neighbouring subdomains get around.
        said = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(said.encode(), csrf_token(secret).encode()):
            raise CsrfTokenInvalid(f"send the session's csrf_token as {CSRF_HEADER}")
    return session


def operations_of(caller: Principal) -> list[str]:
    """Return the operations that the caller may call, by the ids of the OpenAPI document."""
    refused: set[str] = set()
    if not isinstance(caller, OpenSession):
        refused |= OF_SESSIONS
    if caller.gate is not None:
        refused |= OF_NO_GATE
    allowed = {operation for operation, roles in ROLES.items() if caller.role in roles}
    return sorted(allowed - refused)


Caller = Annotated[Principal, Depends(authorised)]


def at_gate(caller: Principal, gate: str) -> str:
    """Return the gate if the caller may act there; raise GateForbidden."""
    if caller.gate is not None and caller.gate != gate:
        raise GateForbidden(f"this key is for gate {caller.gate} alone")
    return gate


def readable_gate(caller: Principal, asked: str | None) -> str | None:
    """Return the gate to read: the one asked for, else the caller's own, else all (None)."""
    return caller.gate if asked is None else at_gate(caller, asked)
