"""Keys: made, listed and revoked by admins."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Body

from cloud.api.deps import Caller, StoreDep, at_gate
from cloud.api.problems import documented
from cloud.api.trail import TrailDep
from cloud.contract import IssuedKey, Key, NewKey, ProblemCode, Role
from cloud.errors import GateForbidden, GateUnknown, KeyUnknown, MalformedRequest
from cloud.store import mint

log = structlog.get_logger("cloud.api")

router = APIRouter(prefix="/v1/keys", tags=["keys"])


@router.get("")
def list_keys(caller: Caller, store: StoreDep) -> list[Key]:
    """List keys, the oldest first, without their secrets."""
    return [Key(**key.model_dump()) for key in store.keys.all() if caller.gate in {None, key.gate}]


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
                "a scanner": {"value": {"name": "Door reader", "role": "scanner", "gate": "main"}}
            }
        ),
    ],
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
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
    minted = mint(new.name, new.role, new.gate)
    store.keys.add(minted.stored)
    trail.record("key.created", f"key:{minted.stored.id}", gate=new.gate, reason=new.name)
    log.info("key created", created_key_id=minted.stored.id, role=new.role.value)
    return minted.issued()


@router.delete(
    "/{key_id}",
    status_code=204,
    responses=documented(ProblemCode.KEY_UNKNOWN, ProblemCode.GATE_FORBIDDEN),
)
def revoke_key(key_id: str, caller: Caller, store: StoreDep, trail: TrailDep) -> None:
    """Take a key back, at once. A device's key takes its device with it."""
    key = store.keys.get(key_id)
    if key is None:
        raise KeyUnknown("there is no key of this id")
    if caller.gate is not None and caller.gate != key.gate:
        raise GateForbidden(f"this key is for gate {caller.gate} alone")
    store.keys.revoke(key_id)
    if key.device_id is not None:
        store.devices.revoke(key.device_id)
    trail.record("key.revoked", f"key:{key_id}", gate=key.gate)
    log.info("key revoked", revoked_key_id=key_id)
