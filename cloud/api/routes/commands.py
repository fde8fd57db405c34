"""What devices are told: commands by long poll, their settings, their next key."""

import asyncio
from datetime import datetime, timedelta
from typing import Annotated

import structlog
from fastapi import APIRouter, Body, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool

from cloud.api.access.audit_trail import Trail, TrailDep
from cloud.api.access.dependencies import Caller, Now, Principal, SettingsDep, StoreDep, at_gate
from cloud.api.problems import documented
from cloud.contract import (
    CommandKind,
    CommandPage,
    Device,
    DeviceSettings,
    GateSettings,
    ProblemCode,
    RolledKey,
)
from cloud.contract.base import GateId
from cloud.contract.commands import CommandCursor
from cloud.errors import DeviceUnknown, GateUnknown, RoleForbidden
from cloud.store import LongPolls, Store, StoredKey
from cloud.store import now as present

log = structlog.get_logger("cloud.api")

router = APIRouter(prefix="/v1", tags=["devices"])

GatePath = Annotated[GateId, Path(description="The gate's id")]
_AT_A_GATE = documented(ProblemCode.GATE_UNKNOWN, ProblemCode.GATE_FORBIDDEN)
_ON_A_DEVICE = documented(ProblemCode.DEVICE_UNKNOWN, ProblemCode.GATE_FORBIDDEN)


def long_polls_of(request: Request) -> LongPolls:
    """Return the long polls that the app's lifespan opened."""
    held: LongPolls = request.app.state.long_polls
    return held


def device_of(caller: Caller) -> StoredKey:
    """Return the device's own key; raise RoleForbidden where the caller is no enrolled device."""
    if not isinstance(caller, StoredKey) or caller.device_id is None or caller.gate is None:
        raise RoleForbidden("this key belongs to no enrolled device")
    return caller


OwnDevice = Annotated[StoredKey, Depends(device_of)]


@router.get("/devices/me/commands")
async def list_commands(
    own: OwnDevice,
    store: StoreDep,
    long_polls: Annotated[LongPolls, Depends(long_polls_of)],
    after: Annotated[
        CommandCursor | None, Query(description="The last command that was done, and all before it")
    ] = None,
    wait: Annotated[
        float, Query(ge=0, le=60, description="Seconds to wait for a command where none waits")
    ] = 0,
) -> CommandPage:
    """Read what is to be done, and wait for it. Each comes again until `after` acknowledges it."""
    device_id = str(own.device_id)
    with long_polls.waiting(device_id) as woken:
        loop = asyncio.get_running_loop()
        if own.expires_at is not None:
            wait = min(wait, (own.expires_at - present()).total_seconds())
        until = loop.time() + wait
        items = await run_in_threadpool(store.commands.waiting, device_id, after)
        # A wake-up may be for what was read just now: there is not always a new command.
        while (
            not items
            and (left := until - loop.time()) > 0
            and long_polls.is_current(device_id, woken)
        ):
            woken.clear()
            try:
                await asyncio.wait_for(woken.wait(), left)
            except TimeoutError:
                break
            items = await run_in_threadpool(store.commands.waiting, device_id, None)
    return CommandPage(items=items)


@router.get("/devices/me/settings")
def get_own_settings(own: OwnDevice, store: StoreDep) -> DeviceSettings:
    """Read what the device's gate is set to."""
    return store.commands.settings(str(own.gate))


@router.post("/devices/me/roll", status_code=201, responses=documented(ProblemCode.DEVICE_UNKNOWN))
def roll_own_key(
    own: OwnDevice, store: StoreDep, settings: SettingsDep, trail: TrailDep
) -> RolledKey:
    """Get the device's next key. The old one is good until the new one is first used."""
    overlap = timedelta(seconds=settings.key_overlap_s)
    made, until = store.devices.roll(own, overlap)
    trail.record("device.key_rolled", f"device:{own.device_id}", gate=own.gate)
    log.info("key_rolled", device_id=own.device_id, next_key_id=made.stored.id)
    return RolledKey(device_key=made.text, old_key_expires_at=until)


@router.post("/devices/{device_id}/roll", status_code=202, responses=_ON_A_DEVICE)
def roll_device_key(
    device_id: str, caller: Caller, store: StoreDep, trail: TrailDep, now: Now
) -> None:
    """Ask a device to roll its key. It does so when it reads its commands."""
    _ask(store, reachable(store, caller, device_id), CommandKind.ROLL_KEY, trail, now)


@router.post("/devices/{device_id}/reload", status_code=202, responses=_ON_A_DEVICE)
def reload_device(
    device_id: str, caller: Caller, store: StoreDep, trail: TrailDep, now: Now
) -> None:
    """Ask a device to end, so that what keeps it running starts it anew."""
    _ask(store, reachable(store, caller, device_id), CommandKind.RELOAD, trail, now)


@router.get("/gates/{gate_id}/settings", responses=_AT_A_GATE)
def get_gate_settings(gate_id: GatePath, caller: Caller, store: StoreDep) -> DeviceSettings:
    """Read what a gate's devices are told to work by."""
    if store.gates.get(at_gate(caller, gate_id)) is None:
        raise GateUnknown(f"there is no gate {gate_id}")
    return store.commands.settings(gate_id)


@router.put("/gates/{gate_id}/settings", responses=_AT_A_GATE)
def set_gate_settings(
    *,
    gate_id: GatePath,
    wanted: Annotated[
        GateSettings,
        Body(openapi_examples={"slower, surer": {"value": {"votes": 8, "cooldown_s": 5}}}),
    ],
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
    now: Now,
) -> DeviceSettings:
    """Set a gate's devices to something else, all at once. What is left out is the device's own."""
    if store.gates.get(at_gate(caller, gate_id)) is None:
        raise GateUnknown(f"there is no gate {gate_id}")
    held = store.commands.set(gate_id, wanted)
    store.commands.issue(devices_at(store, gate_id), CommandKind.SETTINGS_CHANGED, now)
    said = wanted.model_dump_json(exclude_none=True)
    trail.record("gate.settings_changed", f"gate:{gate_id}", gate=gate_id, reason=said)
    return held


def devices_at(store: Store, gate: str) -> list[str]:
    """Return the ids of a gate's devices, without those that were shut out."""
    return [
        device.id for device in store.devices.all() if device.gate == gate and not device.revoked
    ]


def reachable(store: Store, caller: Principal, device_id: str) -> Device:
    """Return a device that the caller may command.

    Raises:
        DeviceUnknown: There is no such device, or it was revoked.
        GateForbidden: The caller is bound to another gate.
    """
    device = store.devices.get(device_id)
    if device is None or device.revoked:
        raise DeviceUnknown("there is no device of this id, or it was revoked")
    at_gate(caller, device.gate)
    return device


def _ask(store: Store, device: Device, kind: CommandKind, trail: Trail, now: datetime) -> None:
    store.commands.issue([device.id], kind, now)
    trail.record(f"device.{kind.value}_asked", f"device:{device.id}", gate=device.gate)
