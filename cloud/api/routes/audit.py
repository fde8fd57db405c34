"""The audit trail, read by admins."""

from typing import Annotated

from fastapi import APIRouter, Query

from cloud.api.access.dependencies import Caller, StoreDep, readable_gate
from cloud.api.parameters import Before, Limit
from cloud.api.problems import documented
from cloud.contract import AuditPage, ProblemCode
from cloud.contract.audit import ActName
from cloud.contract.base import GateId

router = APIRouter(prefix="/v1/audit", tags=["audit"])


@router.get("", responses=documented(ProblemCode.GATE_FORBIDDEN))
def list_audit(
    *,
    caller: Caller,
    store: StoreDep,
    gate: Annotated[GateId | None, Query(description="What concerns this gate alone")] = None,
    actor: Annotated[
        str | None, Query(max_length=200, description="By this actor alone, as entries name it")
    ] = None,
    act: Annotated[ActName | None, Query(description="This act alone: `pass.revoked`")] = None,
    before: Before = None,
    limit: Limit = 50,
) -> AuditPage:
    """Read who did what, newest first. A page may be short of `limit` and still have a `next`."""
    items, read_on = store.audit.page(
        gate=readable_gate(caller, gate), actor=actor, act=act, before=before, limit=limit
    )
    return AuditPage(items=items, next=read_on)
