"""Events as they are accepted, pushed to whoever listens (server-sent events)."""

import asyncio
from collections.abc import AsyncIterator
from inspect import cleandoc
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from cloud.api.access.dependencies import Caller, MetricsDep, SettingsDep, readable_gate
from cloud.api.parameters import Cursor
from cloud.api.problems import documented
from cloud.contract import ProblemCode
from cloud.contract.base import GateId
from cloud.store import MISSED_AT_MOST, CloseReason, Feed, FeedEvent, Listener
from cloud.store import now as present

log = structlog.get_logger("cloud.api")

router = APIRouter(prefix="/v1/events/stream", tags=["events"])

COME_BACK_MS: Final = 2000
RENEW: Final = "renew"
EXPIRED: Final = "expired"


class Farewell(BaseModel):
    """The data of a `closing` event."""

    reason: str


class Gap(BaseModel):
    """The data of a `gap` event: more was missed than a stream gives again."""

    after: str
    given: int


def feed_of(request: Request) -> Feed:
    """Return the feed that the app's lifespan opened."""
    held: Feed = request.app.state.feed
    return held


FeedDep = Annotated[Feed, Depends(feed_of)]


async def joined(
    caller: Caller,
    feed: FeedDep,
    metrics: MetricsDep,
    gate: Annotated[GateId | None, Query(description="Of this gate alone")] = None,
) -> AsyncIterator[Listener]:
    """Yield a listener of the gates that the caller may read, for the length of the request."""
    # Before the answer starts, so that what cannot be done is still answered with a problem.
    listener = await feed.join(readable_gate(caller, gate))
    metrics.listens(feed.listeners)
    try:
        yield listener
    finally:
        feed.leave(listener)
        metrics.listens(feed.listeners)


@router.get(
    "",
    response_class=EventSourceResponse,
    responses=documented(ProblemCode.GATE_FORBIDDEN, ProblemCode.TOO_MANY_LISTENERS),
    description=cleandoc(
        """
        Listen to events as they are accepted: `text/event-stream`, one `event` with the record
        each.

        A comment every 15 seconds keeps the connection. A listener that comes back with
        `Last-Event-ID` misses nothing, up to 5,000 events; past these a `gap` says so, and the rest
        is read in pages. The last event is `closing`, with a `reason`: `renew` (after five minutes,
        so that the key is checked again), `expired` (the key or the session is at its end),
        `too_slow`, `shutting_down`. Come back with `Last-Event-ID`.
        """
    ),
)
async def stream_events(
    *,
    caller: Caller,
    feed: FeedDep,
    listener: Annotated[Listener, Depends(joined)],
    metrics: MetricsDep,
    settings: SettingsDep,
    last_event_id: Annotated[
        Cursor | None,
        Header(description="The `id` of the last event that was heard: what came after it is next"),
    ] = None,
) -> AsyncIterator[ServerSentEvent]:
    """Yield events as they are accepted, one server-sent event each."""
    yield ServerSentEvent(comment="listening", retry=COME_BACK_MS)
    reached = last_event_id
    if last_event_id is not None:
        given = 0
        async for heard in feed.missed(listener.gate, last_event_id):
            given += 1
            reached = heard.cursor
            yield _told(heard)
        if given >= MISSED_AT_MOST:
            gap = Gap(after=reached or last_event_id, given=given)
            yield ServerSentEvent(event="gap", data=gap)
            reached = None
    why, lifetime_s = RENEW, settings.stream_lifetime_s
    if caller.expires_at is not None:
        left_s = (caller.expires_at - present()).total_seconds()
        if left_s < lifetime_s:
            why, lifetime_s = EXPIRED, max(left_s, 0)
    try:
        async with asyncio.timeout(lifetime_s):
            while True:
                heard_next = await listener.next()
                if isinstance(heard_next, CloseReason):
                    why = heard_next.value
                    break
                # What was missed may wait in the queue too: it came while it was read.
                if reached is None or _place(heard_next.cursor) > _place(reached):
                    yield _told(heard_next)
    except TimeoutError:
        pass
    metrics.stopped_listening(why)
    log.info("listener_sent_away", reason=why)
    yield ServerSentEvent(event="closing", data=Farewell(reason=why))


def _told(heard: FeedEvent) -> ServerSentEvent:
    return ServerSentEvent(event="event", id=heard.cursor, raw_data=heard.document)


def _place(cursor: str) -> tuple[int, int]:
    milliseconds, _, number = cursor.partition("-")
    return int(milliseconds), int(number)
