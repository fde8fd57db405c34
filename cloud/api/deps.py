"""What routes ask for, as types; and the one table that says which role may do what."""

from datetime import datetime
from typing import Annotated, Final

import structlog
from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from cloud import store as cloud_store
from cloud.api.metrics import Metrics
from cloud.contract import Role
from cloud.errors import GateForbidden, KeyMissing, RoleForbidden
from cloud.settings import Settings
from cloud.store import AsyncStore, Store, StoredKey

_OPERATORS: Final = frozenset({Role.OPERATOR, Role.ADMIN})
_VIEWERS: Final = _OPERATORS | {Role.VIEWER}
_SCREENS: Final = _VIEWERS | {Role.KIOSK}
_DEVICES: Final = frozenset({Role.DEVICE})
_ADMINS: Final = frozenset({Role.ADMIN})

ROLES: Final = {
    "post_event": _DEVICES,
    "send_heartbeat": _DEVICES,
    "list_events": _SCREENS,
    "stream_events": _SCREENS,
    "get_event": _SCREENS,
    "redeem_pass": _OPERATORS | {Role.SCANNER},
    "get_pass": _SCREENS,
    "revoke_pass": _OPERATORS,
    "get_pass_qr_svg": _OPERATORS | {Role.KIOSK},
    "get_pass_qr_png": _OPERATORS | {Role.KIOSK},
    "list_devices": _VIEWERS,
    "revoke_device": _OPERATORS,
    "list_gates": _SCREENS,
    "create_gate": _OPERATORS,
    "create_enrolment_code": _OPERATORS,
    "list_subscribers": _VIEWERS,
    "create_subscriber": _OPERATORS,
    "delete_subscriber": _OPERATORS,
    "get_visitor_link": _SCREENS,
    "replace_visitor_link": _OPERATORS,
    "create_pairing_code": _OPERATORS,
    "list_staff": _VIEWERS,
    "delete_staff": _OPERATORS,
    "list_deliveries": _VIEWERS,
    "resend_delivery": _OPERATORS,
    "read_statistics": _VIEWERS,
    "list_keys": _ADMINS,
    "create_key": _ADMINS,
    "revoke_key": _ADMINS,
    "list_audit": _ADMINS,
}
"""Operation → roles. An operation that asks for a caller and is not in it stops the API's start.

A kiosk may read the events and the passes of its gate: it must learn which code to show.
"""

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


def authorised(
    request: Request,
    store: StoreDep,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> StoredKey:
    """Return the key behind the request, once it is known to be good for this operation."""
    if bearer is None:
        raise KeyMissing("send `Authorization: Bearer mg_…`")
    key = store.keys.authenticate(bearer.credentials)
    operation = request.scope["route"].name
    authorise(key.role, operation)
    structlog.contextvars.bind_contextvars(key_id=key.id)
    return key


def authorise(role: Role, operation: str) -> None:
    """Return if the role may do this; raise RoleForbidden if not."""
    if role not in ROLES[operation]:
        raise RoleForbidden(
            f"a {role.value} may not do this; it takes "
            + " or ".join(sorted(may.value for may in ROLES[operation]))
        )


Caller = Annotated[StoredKey, Depends(authorised)]


def at_gate(caller: StoredKey, gate: str) -> str:
    """Return the gate if the caller may act there; raise GateForbidden."""
    if caller.gate is not None and caller.gate != gate:
        raise GateForbidden(f"this key is for gate {caller.gate} alone")
    return gate


def readable_gate(caller: StoredKey, asked: str | None) -> str | None:
    """Return the gate to read: the one asked for, else the caller's own, else all (None)."""
    return caller.gate if asked is None else at_gate(caller, asked)
