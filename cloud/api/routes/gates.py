"""Gates and their enrolment codes."""

from datetime import timedelta
from inspect import cleandoc
from typing import Annotated
from zoneinfo import ZoneInfo

import structlog
from fastapi import APIRouter, Body, Query

from cloud import announcements
from cloud.api.access.audit_trail import TrailDep, actor_of, request_id
from cloud.api.access.dependencies import Caller, Now, SettingsDep, StoreDep, at_gate
from cloud.api.lists import LINKED, PagesDep, named
from cloud.api.parameters import GatePath
from cloud.api.problems import documented
from cloud.contract import Delivery, EnrolmentCode, Gate, GateChange, NewGate, ProblemCode
from cloud.contract.text import Reason
from cloud.errors import GateExists, GateForbidden, GateUnknown
from cloud.store import DeletionRequest, Store, differences

log = structlog.get_logger("cloud.api")

router = APIRouter(prefix="/v1/gates", tags=["gates"])


_AT_A_GATE = documented(ProblemCode.GATE_UNKNOWN, ProblemCode.GATE_FORBIDDEN)


@router.get("", responses=LINKED)
def list_gates(caller: Caller, store: StoreDep, pages: PagesDep) -> list[Gate]:
    """List gates, by id."""
    held = [gate for gate in store.gates.all() if caller.gate in {None, gate.id}]
    return pages.of(held, lambda gate: named(gate.id), lambda gate: gate.id)


@router.post(
    "",
    status_code=201,
    responses=documented(ProblemCode.GATE_EXISTS, ProblemCode.GATE_FORBIDDEN),
)
def create_gate(
    new: Annotated[
        NewGate,
        Body(openapi_examples={"a gate": {"value": {"id": "main", "name": "Main entrance"}}}),
    ],
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
    now: Now,
) -> Gate:
    """Make a gate."""
    if caller.gate is not None:
        raise GateForbidden(f"this key is for gate {caller.gate} alone")
    gate = Gate.model_validate({**new.model_dump(), "created_at": now})
    if not store.gates.add(gate):
        raise GateExists(
            f"there is a gate {new.id} already, or there was one, whose id is not given again"
        )
    trail.record("gate.created", f"gate:{gate.id}", gate=gate.id)
    log.info("gate_created", gate=gate.id)
    return gate


@router.patch(
    "/{gate_id}",
    responses=_AT_A_GATE,
    description=cleandoc(
        """
        Close or open a gate, name it, or set how long its passes are good and its time zone.

        A closed gate makes no passes, and its earlier passes admit nobody until it is open.
        Visitors who wait there keep their places. They are told since when and why the gate is
        closed, and when it is open again.
        """
    ),
)
def change_gate(
    *,
    gate_id: GatePath,
    change: Annotated[
        GateChange,
        Body(openapi_examples={"close": {"value": {"closed": True, "reason": "fire drill"}}}),
    ],
    caller: Caller,
    store: StoreDep,
    settings: SettingsDep,
    trail: TrailDep,
    now: Now,
) -> Gate:
    """Close or open a gate, name it, or set how long its passes are good and its time zone."""
    fields = change.model_dump(exclude_unset=True, exclude={"reason"})
    wanted = {name: value for name, value in fields.items() if name != "name" or value}
    if wanted.get("closed", ...) is None:
        del wanted["closed"]
    before = existing(store, at_gate(caller, gate_id))

    def told(was: Gate, becomes: Gate) -> list[Delivery]:
        if was.closed == becomes.closed:
            return []
        subscribers = store.gates.subscribers(gate_id)
        visitors = store.visitors.at_gate(gate_id, now)
        zone = ZoneInfo(settings.time_zone)
        return [
            *announcements.of_gate(becomes, subscribers, reason=change.reason, at=now),
            *announcements.of_gate_to_visitors(becomes, visitors, at=now, zone=zone),
        ]

    gate = store.gates.change(gate_id, wanted, reason=change.reason, at=now, messages=told)
    if gate is None:
        raise GateUnknown(f"there is no gate {gate_id}")
    if "closed" in wanted:
        act = "gate.closed" if gate.closed else "gate.opened"
    else:
        act = "gate.changed"
    detail = differences(before, gate)
    if detail or "closed" in wanted:
        trail.record(act, f"gate:{gate_id}", gate=gate_id, reason=change.reason, detail=detail)
    log.info("gate_changed", gate=gate_id, act=act)
    return gate


@router.delete(
    "/{gate_id}",
    status_code=204,
    responses=documented(
        ProblemCode.GATE_UNKNOWN, ProblemCode.GATE_FORBIDDEN, ProblemCode.GATE_IN_USE
    ),
    description=cleandoc(
        """
        Delete a gate for ever. Its id cannot be used again.

        Refused while the gate has devices, keys, accounts, subscribers, staff, waiting visitors or
        valid passes, unless `force` is given. Then devices and keys are revoked, accounts are
        removed, and the rest is forgotten. The gate's events stay readable under its id until their
        retention ends.
        """
    ),
)
def delete_gate(
    *,
    gate_id: GatePath,
    caller: Caller,
    store: StoreDep,
    now: Now,
    force: Annotated[
        bool, Query(description="Take everything that is at the gate away with it")
    ] = False,
    reason: Annotated[Reason, Query(description="Why, for the audit trail")] = "",
) -> None:
    """Delete a gate for ever."""
    if caller.gate is not None:
        raise GateForbidden(f"this key is for gate {caller.gate} alone, and cannot delete it")
    deletion = DeletionRequest(actor_of(caller), reason, request_id())
    store.deletion.gate(gate_id, deletion, now, force=force)
    log.info("gate_deleted", gate=gate_id, force=force)


@router.post("/{gate_id}/enrolment-codes", status_code=201, responses=_AT_A_GATE)
def create_enrolment_code(
    *,
    gate_id: GatePath,
    caller: Caller,
    store: StoreDep,
    settings: SettingsDep,
    trail: TrailDep,
    now: Now,
) -> EnrolmentCode:
    """Make a one-time code that enrols one device at this gate. It is shown only here."""
    existing(store, at_gate(caller, gate_id))
    lifetime = timedelta(seconds=settings.enrolment_code_lifetime_s)
    code = store.devices.new_code(gate_id, lifetime, now)
    trail.record("enrolment_code.created", f"gate:{gate_id}", gate=gate_id)
    return code


def existing(store: Store, gate_id: str) -> Gate:
    """Return the gate of this id; raise GateUnknown where there is none."""
    gate = store.gates.get(gate_id)
    if gate is None:
        raise GateUnknown(f"there is no gate {gate_id}")
    return gate
