"""What the screens at a gate show, pushed as it changes (server-sent events)."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from inspect import cleandoc
from typing import Annotated, Final

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from cloud.api.access.dependencies import (
    Caller,
    MetricsDep,
    Principal,
    SettingsDep,
    StoreDep,
    at_gate,
)
from cloud.api.device_status import status_of
from cloud.api.parameters import GatePath
from cloud.api.problems import documented
from cloud.api.routes.gates import existing
from cloud.api.routes.stream import COME_BACK_MS, EXPIRED, RENEW, Farewell, FeedDep
from cloud.contract import (
    CameraState,
    Device,
    DeviceProblem,
    DeviceStatus,
    GateCamera,
    ProblemCode,
    Screen,
    ScreenState,
)
from cloud.errors import RequestRefused, StoreError
from cloud.invitations import visitor_link
from cloud.store import CloseReason, Listener, Store
from cloud.store import now as present

log = structlog.get_logger("cloud.api")

router = APIRouter(prefix="/v1/gates", tags=["screens"])

TICK_S: Final = 1.0
"""A message comes at least this often, so that a screen notices silence within three of them."""

SITE_READ_EVERY_S: Final = 2.0
"""How old devices and screens may be, as this process read them last for all streams."""


PICTURE_PROBLEMS: Final = ("camera_", "picture_")
"""Problems of a device whose names begin so concern what its camera shows: it judges nobody, except
with a blurred picture."""


class SiteReader:
    """Reads devices and screens for all streams of this process, one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._devices: list[Device] = []
        self._screens: list[Screen] = []

    def read(self, store: Store) -> tuple[list[Device], list[Screen]]:
        """Return devices and screens, at most SITE_READ_EVERY_S old."""
        with self._lock:
            if time.monotonic() - self._read_at >= SITE_READ_EVERY_S:
                self._devices, self._screens = store.devices.all(), store.screens.all()
                self._read_at = time.monotonic()
            return self._devices, self._screens


def site_reader_of(request: Request) -> SiteReader:
    """Return the reader that the streams of this process share."""
    held: SiteReader = request.app.state.site_reader
    return held


class Tick(BaseModel):
    """The data of a `tick` and of an `unavailable`."""

    now: datetime


async def joined_gate(
    caller: Caller, gate_id: GatePath, feed: FeedDep, store: StoreDep, metrics: MetricsDep
) -> AsyncIterator[Listener]:
    """Yield a listener of one gate, for the length of the request."""
    await run_in_threadpool(existing, store, at_gate(caller, gate_id))
    listener = await feed.join(gate_id)
    metrics.listens(feed.listeners)
    try:
        yield listener
    finally:
        feed.leave(listener)
        metrics.listens(feed.listeners)


@router.get(
    "/{gate_id}/screen/stream",
    response_class=EventSourceResponse,
    responses=documented(
        ProblemCode.GATE_UNKNOWN, ProblemCode.GATE_FORBIDDEN, ProblemCode.TOO_MANY_LISTENERS
    ),
    description=cleandoc(
        """
        Listen to what the screens of a gate show: `text/event-stream`.

        A `state` comes first and after each change: the gate, its newest event with its pass, its
        camera, and the ids of its screens. A `tick` comes each second in which nothing changed, and
        an `unavailable` where the state cannot be read. The last message is `closing`, as in
        `/v1/events/stream`.
        """
    ),
)
async def stream_screen(
    *,
    gate_id: GatePath,
    caller: Caller,
    store: StoreDep,
    settings: SettingsDep,
    listener: Annotated[Listener, Depends(joined_gate)],
    site: Annotated[SiteReader, Depends(site_reader_of)],
    metrics: MetricsDep,
) -> AsyncIterator[ServerSentEvent]:
    """Yield the state of a gate's screens, each time that it changes."""
    yield ServerSentEvent(comment="listening", retry=COME_BACK_MS)
    offline_after = timedelta(seconds=settings.offline_after_s)
    why, ends_at = _end(caller, settings.stream_lifetime_s)
    last: ScreenState | None = None
    while time.monotonic() < ends_at:
        try:
            state = await run_in_threadpool(read_state, store, site, gate_id, offline_after)
        except RequestRefused:
            why = "gate_unknown"
            break
        except StoreError:
            last = None
            yield ServerSentEvent(event="unavailable", data=Tick(now=present()))
            await asyncio.sleep(TICK_S)
            continue
        if last is None or state != last.model_copy(update={"now": state.now}):
            last = state
            yield ServerSentEvent(event="state", raw_data=state.model_dump_json())
        else:
            yield ServerSentEvent(event="tick", data=Tick(now=state.now))
        heard = await _next(listener)
        if isinstance(heard, CloseReason):
            why = heard.value
            break
    metrics.stopped_listening(why)
    log.info("listener_sent_away", reason=why)
    yield ServerSentEvent(event="closing", data=Farewell(reason=why))


def read_state(
    store: Store, site: SiteReader, gate_id: str, offline_after: timedelta
) -> ScreenState:
    """Read what the screens of a gate show now.

    Args:
        store: The store.
        site: Reads devices and screens.
        gate_id: The gate.
        offline_after: A device that was silent for so long is offline.

    Returns:
        The state.

    Raises:
        GateUnknown: The gate was deleted.
        StoreError: Redis does not answer.
    """
    at = present()
    gate = existing(store, gate_id)
    events, _ = store.events.page(
        gate=gate_id, access=None, label=None, before=None, limit=1, now=at
    )
    devices, screens = site.read(store)
    return ScreenState(
        now=at,
        gate=gate,
        event=events[0] if events else None,
        camera=camera_of(
            [device for device in devices if device.gate == gate_id], at - offline_after
        ),
        visitor_url=visitor_link(store, gate_id, at).url,
        screens=[screen.id for screen in screens if screen.gate == gate_id and not screen.revoked],
    )


def camera_of(devices: Iterable[Device], latest: datetime) -> GateCamera:
    """Return whether a gate's devices look at who comes.

    Args:
        devices: The devices of the gate.
        latest: A device that was heard of before then is silent.

    Returns:
        The best state of their cameras.
    """
    enrolled = [device for device in devices if not device.revoked]
    if not enrolled:
        return GateCamera.MISSING
    beats = [
        device.last_heartbeat
        for device in enrolled
        if device.last_heartbeat is not None and status_of(device, latest) is DeviceStatus.ONLINE
    ]
    cameras = [
        camera
        for beat in beats
        for camera in (
            [(each.state, each.problems) for each in beat.cameras.values()]
            or [(beat.camera, beat.problems)]
        )
    ]
    if any(state is CameraState.LIVE and not _is_blind(problems) for state, problems in cameras):
        return GateCamera.LIVE
    if any(state is not CameraState.ENDED for state, _ in cameras):
        return GateCamera.FAULTY
    return GateCamera.OFF if beats else GateCamera.SILENT


def _is_blind(problems: Iterable[str]) -> bool:
    """Return whether a camera with these problems shows nothing that can be judged."""
    return any(
        name.startswith(PICTURE_PROBLEMS) and name != DeviceProblem.PICTURE_BLURRED
        for name in problems
    )


def _end(caller: Principal, lifetime_s: float) -> tuple[str, float]:
    """Return why and when, by the monotonic clock, the stream ends by itself."""
    if caller.expires_at is not None:
        left_s = (caller.expires_at - present()).total_seconds()
        if left_s < lifetime_s:
            return EXPIRED, time.monotonic() + max(left_s, 0)
    return RENEW, time.monotonic() + lifetime_s


async def _next(listener: Listener) -> object:
    """Return the next event of a gate, or None where none comes within TICK_S."""
    try:
        async with asyncio.timeout(TICK_S):
            return await listener.next()
    except TimeoutError:
        return None
