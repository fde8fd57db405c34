"""What a gate's camera sees, while somebody watches: pictures in from devices, out to people."""

import asyncio
import io
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from inspect import cleandoc
from typing import Annotated, Final

import PIL.Image
import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from cloud.api.access.callers import bearer
from cloud.api.access.dependencies import Caller, Now, SettingsDep, StoreDep, at_gate, signed_in
from cloud.api.device_status import status_of
from cloud.api.problems import documented
from cloud.api.routes.commands import GatePath, OwnDevice
from cloud.contract import CommandKind, DeviceStatus, ProblemCode
from cloud.errors import (
    GateUnknown,
    PreviewAbsent,
    PreviewForbidden,
    PreviewInvalid,
    PreviewUnwanted,
    RateLimited,
    RequestRefused,
    StoreError,
)
from cloud.settings import Settings
from cloud.store import PreviewStreams, Store
from cloud.store import now as present

log = structlog.get_logger("cloud.api")

router = APIRouter(prefix="/v1", tags=["previews"])

FIRST_PICTURE_S: Final = 8.0
"""Longest wait for a picture: a device that waits for commands gets the wish at once."""

RENEWED_EVERY_S: Final = 4.0
LONGEST_S: Final = 600.0
"""A stream ends after this long; whoever still watches opens it again."""

BOUNDARY: Final = "picture"


class JpegResponse(Response):
    """A picture."""

    media_type = "image/jpeg"


class MotionResponse(StreamingResponse):
    """Pictures one after the other, as browsers show them in an <img>."""

    media_type = f"multipart/x-mixed-replace; boundary={BOUNDARY}"


def preview_streams_of(request: Request) -> PreviewStreams:
    """Return the preview streams that the app's lifespan opened."""
    held: PreviewStreams = request.app.state.preview_streams
    return held


PreviewStreamsDep = Annotated[PreviewStreams, Depends(preview_streams_of)]


@router.put(
    "/devices/me/preview",
    status_code=204,
    responses=documented(
        ProblemCode.PREVIEW_UNWANTED, ProblemCode.PREVIEW_INVALID, ProblemCode.PREVIEW_FORBIDDEN
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    description=cleandoc(
        """
        Send a picture to who watches the gate; 409 says that nobody does, so stop.

        It is passed on and kept nowhere. At most five a second are taken.
        """
    ),
)
async def put_preview(
    request: Request, own: OwnDevice, store: StoreDep, settings: SettingsDep, now: Now
) -> None:
    """Send a picture to who watches the gate; 409 says that nobody does, so stop."""
    picture = await request.body()
    _check(picture, settings.preview_max_pixels)
    gate = str(own.gate)

    def pass_on() -> None:
        if not store.commands.settings(gate).settings.preview_allowed:
            raise PreviewForbidden("the gate's settings allow no preview")
        if store.previews.is_early(str(own.device_id)):
            raise RateLimited("a device may send five pictures a second", 1)
        if not store.previews.publish(gate, picture, now):
            raise PreviewUnwanted("nobody watches this gate: stop sending")

    await run_in_threadpool(pass_on)


_TO_WATCH = documented(
    ProblemCode.GATE_UNKNOWN,
    ProblemCode.GATE_FORBIDDEN,
    ProblemCode.PREVIEW_ABSENT,
    ProblemCode.PREVIEW_FORBIDDEN,
    ProblemCode.PREVIEW_CROWDED,
)


@router.get("/gates/{gate_id}/preview.jpg", response_class=JpegResponse, responses=_TO_WATCH)
async def get_preview(
    gate_id: GatePath,
    caller: Caller,
    store: StoreDep,
    settings: SettingsDep,
    streams: PreviewStreamsDep,
) -> JpegResponse:
    """See what the gate's camera sees now. Asking counts as watching for ten seconds."""
    viewer = f"still:{caller.id}"
    async with streams.subscribe(at_gate(caller, gate_id)) as pictures:
        await run_in_threadpool(_watch, store, settings, gate_id, viewer)
        picture = await pictures.next(FIRST_PICTURE_S)
    if picture is None:
        raise PreviewAbsent(_NOTHING)
    return JpegResponse(picture)


@router.get("/gates/{gate_id}/preview.mjpeg", response_class=MotionResponse, responses=_TO_WATCH)
async def stream_preview(
    *,
    request: Request,
    gate_id: GatePath,
    caller: Caller,
    store: StoreDep,
    settings: SettingsDep,
    streams: PreviewStreamsDep,
) -> MotionResponse:
    """Watch the gate's camera: JPEGs one after the other, for ten minutes at most."""
    viewer = f"motion:{secrets.token_hex(8)}"
    at_gate(caller, gate_id)
    await run_in_threadpool(_watch, store, settings, gate_id, viewer)

    def still_may() -> None:
        key = bearer(request.scope["headers"])
        if key is not None:
            store.keys.authenticate(key)
        else:
            signed_in(request, store, settings, present())
        _watch(store, settings, gate_id, viewer)

    async def frames() -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        began = renewed = shown = loop.time()
        try:
            async with streams.subscribe(gate_id) as pictures:
                while (at := loop.time()) - began < LONGEST_S and at - shown < FIRST_PICTURE_S * 2:
                    if caller.expires_at is not None and present() >= caller.expires_at:
                        break
                    if at - renewed >= RENEWED_EVERY_S:
                        await run_in_threadpool(still_may)
                        renewed = at
                    picture = await pictures.next(1.0)
                    if picture is not None:
                        shown = loop.time()
                        yield _part(picture)
        except (RequestRefused, StoreError) as error:
            log.info("preview_ended", gate=gate_id, reason=str(error))
        finally:
            await run_in_threadpool(_unwatch, store, gate_id, viewer)

    return MotionResponse(frames())


def _watch(store: Store, settings: Settings, gate: str, viewer: str) -> None:
    if store.gates.get(gate) is None:
        raise GateUnknown(f"there is no gate {gate}")
    if not store.commands.settings(gate).settings.preview_allowed:
        raise PreviewForbidden("the gate's settings allow no preview")
    at = present()
    latest = at - timedelta(seconds=settings.offline_after_s)
    reachable = [
        device.id
        for device in store.devices.all()
        if device.gate == gate and status_of(device, latest) is DeviceStatus.ONLINE
    ]
    if not reachable:
        raise PreviewAbsent(_NOTHING)
    if store.previews.watch(gate, viewer, settings.preview_viewers, at):
        store.commands.issue(reachable, CommandKind.PREVIEW_WANTED, at)


def _unwatch(store: Store, gate: str, viewer: str) -> None:
    try:
        store.previews.unwatch(gate, viewer)
    except StoreError as error:
        log.info("viewer_counted_longer", error=str(error))


def _check(picture: bytes, most_pixels: int) -> None:
    try:
        # Reads the header alone: pixels are counted before any is made.
        with PIL.Image.open(io.BytesIO(picture), formats=("JPEG",)) as image:
            width, height = image.size
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise PreviewInvalid("send a JPEG") from error
    if width * height > most_pixels:
        raise PreviewInvalid(f"{width}×{height} pixels are too many: {most_pixels} at most")


def _part(picture: bytes) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
    return head.encode() + picture + b"\r\n"


_NOTHING = (
    "no picture came: the gate has no device that is online, or its EDGE_PREVIEW is off, which it "
    "is unless it was set"
)
