"""Deliveries: what was to be told to whom, and what became of it."""

from typing import Annotated

from fastapi import APIRouter, Query

from cloud.api.deps import Caller, StoreDep, readable_gate
from cloud.api.events import Before, Limit
from cloud.api.problems import documented
from cloud.contract import DeliveryPage, DeliveryStatus, ProblemCode
from cloud.contract.base import GateId

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"])


@router.get("", responses=documented(ProblemCode.GATE_FORBIDDEN))
def list_deliveries(
    *,
    caller: Caller,
    store: StoreDep,
    gate: Annotated[GateId | None, Query(description="Of this gate alone")] = None,
    status: Annotated[DeliveryStatus | None, Query(description="With this status alone")] = None,
    before: Before = None,
    limit: Limit = 50,
) -> DeliveryPage:
    """Read deliveries, newest first. A page may be short of `limit` and still have a `next`."""
    items, read_on = store.deliveries.page(
        gate=readable_gate(caller, gate), status=status, before=before, limit=limit
    )
    return DeliveryPage(items=items, next=read_on)
