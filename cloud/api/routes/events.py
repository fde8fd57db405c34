"""Events: posted by devices, read by people."""

from datetime import timedelta
from inspect import cleandoc
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog
from fastapi import APIRouter, Request, Response

from cloud import gatekeeping, occurrence
from cloud import store as cloud_store
from cloud.api.access.credentials import KeyCredentials, body_as, described
from cloud.api.access.dependencies import (
    Caller,
    Now,
    StoreDep,
    async_store_of,
    at_gate,
    metrics_of,
    readable_gate,
    settings_of,
)
from cloud.api.parameters import (
    AccessFilter,
    Before,
    DeviceFilter,
    GateFilter,
    LabelFilter,
    Limit,
    Since,
    Until,
)
from cloud.api.problems import documented
from cloud.contract import (
    Decision,
    Event,
    EventPage,
    EventRecord,
    ProblemCode,
)
from cloud.errors import EventUnknown, RoleForbidden
from cloud.gatekeeping import PassRules, PostedEvent
from cloud.store import PolicyContext

router = APIRouter(prefix="/v1/events", tags=["events"])

EXAMPLE_EVENT = {
    "id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "label": "with_mask",
    "confidence": 0.97,
    "votes": 9,
    "first_seen_at": "2026-03-02T08:15:29.120Z",
    "occurred_at": "2026-03-02T08:15:30.020Z",
    "models": {"classifier": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
}


@router.post(
    "",
    status_code=201,
    response_model=Decision,
    responses={
        200: {"model": Decision, "description": "Accepted before: the same decision again"},
        **documented(ProblemCode.EVENT_CONFLICT, ProblemCode.GATE_UNKNOWN),
    },
    openapi_extra=described(Event, a_mask=EXAMPLE_EVENT),
    description=cleandoc(
        """
        Accept a verdict and decide on it.

        The event, its pass, its receipt and its jobs are written together or not at all. An event
        that is sent again gets the same decision, and nothing is done twice. Once the pass has
        expired, that decision comes without the pass, because the token was deleted.

        The lifetime of a pass begins at `occurred_at`. An event whose pass would have expired
        already is kept, and refused as `too_late`. The header `Date` (RFC 9110 section 6.6.1) holds
        the time of the device's clock when it sends the event; the cloud corrects `occurred_at` by
        it. Without a readable `Date` the cloud believes the device's clock. An event up to 60
        seconds in the future counts as of now; an event further ahead is refused as `clock_ahead`.
        """
    ),
)
async def post_event(request: Request) -> Response:
    """Accept a verdict and decide on it."""
    credentials = KeyCredentials(request, "post_event")
    body = await request.body()
    settings = settings_of(request)

    def verify(context: PolicyContext) -> PostedEvent:
        caller = credentials.caller(context)
        if caller.gate is None or caller.device_id is None:
            raise RoleForbidden("this key belongs to no enrolled device")
        event = body_as(Event, request, body)
        sent_at = occurrence.sent_at(request.headers.getlist("Date"))
        return PostedEvent(event, caller.gate, caller.device_id, sent_at)

    answer = await gatekeeping.accept(
        async_store_of(request),
        verify,
        key_id=credentials.key_id,
        rules=PassRules(
            lifetime=timedelta(seconds=settings.pass_lifetime_s),
            visitor_wait=timedelta(seconds=settings.visitor_wait_s),
            zone=ZoneInfo(settings.time_zone),
        ),
        now=cloud_store.now(),
    )
    if not answer.repeated:
        metrics_of(request).accepted(answer.event, answer.decision)
    structlog.contextvars.bind_contextvars(
        key_id=credentials.key_id,
        event_id=str(answer.event.id),
        gate=answer.decision.gate,
        access=answer.decision.access.value,
        reason=str(refusal.reason) if (refusal := answer.decision.refusal) else "",
        repeated=answer.repeated,
    )
    return Response(
        answer.decision.model_dump_json(),
        status_code=200 if answer.repeated else 201,
        media_type="application/json",
    )


@router.get("", responses=documented(ProblemCode.GATE_FORBIDDEN))
def list_events(
    *,
    caller: Caller,
    store: StoreDep,
    now: Now,
    gate: GateFilter = None,
    access: AccessFilter = None,
    label: LabelFilter = None,
    device: DeviceFilter = None,
    since: Since = None,
    until: Until = None,
    before: Before = None,
    limit: Limit = 50,
) -> EventPage:
    """Read events, newest first. A page may be short of `limit` and still have a `next`."""
    items, read_on = store.events.page(
        gate=readable_gate(caller, gate),
        access=access,
        label=label,
        before=before,
        limit=limit,
        now=now,
        device=device,
        since=since,
        until=until,
    )
    return EventPage(items=items, next=read_on)


@router.get(
    "/{event_id}", responses=documented(ProblemCode.EVENT_UNKNOWN, ProblemCode.GATE_FORBIDDEN)
)
def get_event(event_id: UUID, caller: Caller, store: StoreDep, now: Now) -> EventRecord:
    """Read one event with its pass as it is now."""
    record = store.events.get(event_id, now)
    if record is None:
        raise EventUnknown(f"there is no event {event_id}, or it is past its retention")
    at_gate(caller, record.gate)
    return record
