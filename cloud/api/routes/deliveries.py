"""Deliveries: what was to be told to whom, and what became of it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from cloud.api.access.audit_trail import TrailDep
from cloud.api.access.dependencies import Caller, StoreDep, at_gate, readable_gate
from cloud.api.parameters import Before, Limit
from cloud.api.problems import documented
from cloud.contract import Channel, Delivery, DeliveryPage, DeliveryStatus, ProblemCode
from cloud.contract.base import GateId, UtcTime
from cloud.errors import DeliveryUnknown
from cloud.store import DeliveryFilter

router = APIRouter(prefix="/v1/deliveries", tags=["deliveries"])


@router.get("", responses=documented(ProblemCode.GATE_FORBIDDEN))
def list_deliveries(
    *,
    caller: Caller,
    store: StoreDep,
    gate: Annotated[GateId | None, Query(description="Of this gate alone")] = None,
    status: Annotated[DeliveryStatus | None, Query(description="With this status alone")] = None,
    event: Annotated[
        UUID | None, Query(description="That tell of this event alone: all of them, however old")
    ] = None,
    channel: Annotated[Channel | None, Query(description="By this channel alone")] = None,
    subscriber: Annotated[
        str | None,
        Query(description="To the subscriber of this id alone", min_length=1, max_length=64),
    ] = None,
    since: Annotated[UtcTime | None, Query(description="Made then or later")] = None,
    until: Annotated[UtcTime | None, Query(description="Made before then")] = None,
    before: Before = None,
    limit: Limit = 50,
) -> DeliveryPage:
    """Read deliveries, newest first. A page may be short of `limit` and still have a `next`."""
    wanted = DeliveryFilter(status, channel, subscriber, since, until)
    at = readable_gate(caller, gate)
    if event is not None:
        items, read_on = store.deliveries.page_of_event(
            event, gate=at, wanted=wanted, before=before, limit=limit
        )
    else:
        items, read_on = store.deliveries.page(
            gate=at, status=status, before=before, limit=limit, wanted=wanted
        )
    return DeliveryPage(items=items, next=read_on)


@router.post(
    "/{delivery_id}/resend",
    responses=documented(
        ProblemCode.DELIVERY_UNKNOWN, ProblemCode.DELIVERY_NOT_FAILED, ProblemCode.GATE_FORBIDDEN
    ),
)
def resend_delivery(
    delivery_id: Annotated[str, Path(max_length=200)],
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
) -> Delivery:
    """Send again what has failed, or was not sent by choice; it is pending from now on."""
    held = store.deliveries.get(delivery_id)
    if held is None:
        raise DeliveryUnknown(f"there is no delivery {delivery_id}")
    at_gate(caller, held.gate)
    again = store.deliveries.resend(delivery_id)
    trail.record("delivery.resent", f"delivery:{delivery_id}", gate=held.gate)
    return again
