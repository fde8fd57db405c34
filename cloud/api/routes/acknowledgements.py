"""Acknowledgements: who takes care of an event, so that nobody else has to."""

from inspect import cleandoc
from uuid import UUID

from fastapi import APIRouter

from cloud.api.access.audit_trail import TrailDep
from cloud.api.access.dependencies import Caller, Now, StoreDep, at_gate
from cloud.api.problems import documented
from cloud.contract import Acknowledgement, ProblemCode
from cloud.errors import EventUnknown

router = APIRouter(prefix="/v1/events", tags=["events"])


@router.post(
    "/{event_id}/acknowledge",
    responses=documented(ProblemCode.EVENT_UNKNOWN, ProblemCode.GATE_FORBIDDEN),
    description=cleandoc(
        """
        Take charge of an event. The first caller counts, whether by this call or by a button of an
        alert.

        The event's alerts in Telegram then name that person and lose their button. Later calls
        change nothing; their answer is the first acknowledgement.
        """
    ),
)
def acknowledge_event(
    event_id: UUID, caller: Caller, store: StoreDep, trail: TrailDep, now: Now
) -> Acknowledgement:
    """Take charge of an event."""
    record = store.events.get(event_id, now)
    if record is None:
        raise EventUnknown(f"there is no event {event_id}, or it is past its retention")
    at_gate(caller, record.gate)
    by, at = store.deliveries.acknowledge(event_id, caller.name, now, show=True)
    if (by, at) == (caller.name, now):
        trail.record("event.acknowledged", f"event:{event_id}", gate=record.gate)
    return Acknowledgement(event_id=event_id, acknowledged_by=by, acknowledged_at=at)
