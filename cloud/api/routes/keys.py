"""Keys: made, changed, listed and revoked by admins; and what a caller's own key may do."""

from inspect import cleandoc
from typing import Annotated

import structlog
from fastapi import APIRouter, Body, Query

from cloud.api.access.audit_trail import TrailDep
from cloud.api.access.dependencies import (
    Caller,
    Now,
    Principal,
    StoreDep,
    at_gate,
    operations_of,
    readable_gate,
)
from cloud.api.lists import LINKED, PagesDep, made
from cloud.api.problems import documented
from cloud.contract import (
    CallerKind,
    IssuedKey,
    Key,
    KeyChange,
    NewKey,
    OwnKey,
    ProblemCode,
    Role,
)
from cloud.contract.base import GateId
from cloud.errors import GateForbidden, GateUnknown, KeyUnknown, MalformedRequest
from cloud.store import OpenSession, Store, StoredKey, amended, differences, expiry_of, mint

log = structlog.get_logger("cloud.api")

router = APIRouter(prefix="/v1/keys", tags=["keys"])


@router.get("", responses={**documented(ProblemCode.GATE_FORBIDDEN), **LINKED})
def list_keys(
    caller: Caller,
    store: StoreDep,
    now: Now,
    pages: PagesDep,
    gate: Annotated[GateId | None, Query(description="Bound to this gate alone")] = None,
) -> list[Key]:
    """List keys, the oldest first, without their secrets; revoked and expired ones too."""
    at = readable_gate(caller, gate)
    held = [key.shown(now) for key in store.keys.all() if at in {None, key.gate}]
    return pages.of(held, lambda key: made(key.created_at, key.id), lambda key: key.id)


@router.get("/me")
def get_own_key(caller: Caller) -> OwnKey:
    """Read who the caller is, until when, and which operations it may call."""
    by_session = isinstance(caller, OpenSession)
    return OwnKey(
        kind=CallerKind.SESSION if by_session else CallerKind.KEY,
        id=caller.id,
        name=caller.name,
        role=caller.role,
        gate=caller.gate,
        device_id=caller.device_id,
        expires_at=caller.expires_at,
        operations=operations_of(caller),
    )


@router.post(
    "",
    status_code=201,
    responses=documented(ProblemCode.GATE_UNKNOWN, ProblemCode.GATE_FORBIDDEN),
)
def create_key(
    new: Annotated[
        NewKey,
        Body(
            openapi_examples={
                "a scanner": {"value": {"name": "Door reader", "role": "scanner", "gate": "main"}},
                "for a week": {
                    "value": {"name": "Auditor", "role": "viewer", "lifetime_s": 604800}
                },
            }
        ),
    ],
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
    now: Now,
) -> IssuedKey:
    """Make a key. Its secret is shown only here."""
    if new.role is Role.DEVICE:
        raise MalformedRequest(
            "a device's key is made by enrolling it with a one-time code", ("body", "role")
        )
    if caller.gate is not None:
        if new.gate is None:
            raise GateForbidden(f"this key is for gate {caller.gate} alone, and so are its keys")
        at_gate(caller, new.gate)
    if new.gate is not None and store.gates.get(new.gate) is None:
        raise GateUnknown(f"there is no gate {new.gate}")
    minted = mint(new.name, new.role, new.gate, expires_at=expiry_of(new, now))
    store.keys.add(minted.stored)
    trail.record("key.created", f"key:{minted.stored.id}", gate=new.gate, reason=new.name)
    log.info("key_created", created_key_id=minted.stored.id, role=new.role.value)
    return minted.issued()


@router.patch(
    "/{key_id}",
    responses=documented(ProblemCode.KEY_UNKNOWN, ProblemCode.KEY_OVER, ProblemCode.GATE_FORBIDDEN),
    description=cleandoc(
        """
        Name a key, or set when it expires. Fields that are left out stay as they are.

        The expiry of a key that was revoked, was replaced or has expired cannot be changed. The key
        of a device has the name of the device: both are renamed.
        """
    ),
)
def change_key(
    *,
    key_id: str,
    change: Annotated[
        KeyChange,
        Body(
            openapi_examples={
                "another name": {"value": {"name": "Reader at the back door"}},
                "one more day": {"value": {"lifetime_s": 86400}},
                "no expiry": {"value": {"expires_at": None}},
            }
        ),
    ],
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
    now: Now,
) -> Key:
    """Name a key, or set when it expires."""
    before = _held(store, key_id, caller)
    after = store.keys.change(key_id, lambda held: amended(held, change, now))
    if after is None:
        raise KeyUnknown("there is no key of this id")
    detail = differences(before, after)
    if after.device_id is not None and after.name != before.name:
        store.devices.rename(after.device_id, after.name)
    if detail:
        trail.record("key.changed", f"key:{key_id}", gate=after.gate, detail=detail)
    log.info("key_changed", changed_key_id=key_id)
    return after.shown(now)


@router.delete(
    "/{key_id}",
    status_code=204,
    responses=documented(ProblemCode.KEY_UNKNOWN, ProblemCode.GATE_FORBIDDEN),
    description=cleandoc(
        """
        Revoke a key at once. With the key of a device, the device is revoked, too.

        Revoking it again changes nothing. The key stays in the list, as revoked.
        """
    ),
)
def revoke_key(key_id: str, caller: Caller, store: StoreDep, trail: TrailDep) -> None:
    """Take a key back, at once."""
    key = _held(store, key_id, caller)
    store.keys.revoke(key_id)
    if key.device_id is not None:
        store.devices.revoke(key.device_id)
    if not key.revoked:
        trail.record("key.revoked", f"key:{key_id}", gate=key.gate)
        log.info("key_revoked", revoked_key_id=key_id)


def _held(store: Store, key_id: str, caller: Principal) -> StoredKey:
    key = store.keys.get(key_id)
    if key is None:
        raise KeyUnknown("there is no key of this id")
    if caller.gate is not None and caller.gate != key.gate:
        raise GateForbidden(f"this key is for gate {caller.gate} alone")
    return key
