"""Devices: enrolment, heartbeats, changes and revocation."""

from datetime import timedelta
from inspect import cleandoc
from typing import Annotated, Any, Final

import structlog
from fastapi import APIRouter, Body, Query, Request

from cloud.api.access.audit_trail import TrailDep, request_id
from cloud.api.access.callers import address_of
from cloud.api.access.dependencies import (
    Caller,
    Now,
    Principal,
    SettingsDep,
    StoreDep,
    at_gate,
    readable_gate,
)
from cloud.api.device_status import status_of
from cloud.api.lists import LINKED, PagesDep, made
from cloud.api.problems import documented
from cloud.contract import (
    Device,
    DeviceChange,
    Enrolment,
    EnrolmentRequest,
    Heartbeat,
    ProblemCode,
)
from cloud.contract.base import GateId
from cloud.errors import DeviceUnknown, MalformedRequest, RoleForbidden
from cloud.store import Store, differences
from cloud.store.access.limits import ENROLMENTS_OF_AN_ADDRESS

log = structlog.get_logger("cloud.api")

LONGEST_ABSENCE: Final = timedelta(days=31)
"""A longer one would be forgotten, and then hide a camera that is gone."""

router = APIRouter(prefix="/v1/devices", tags=["devices"])

EXAMPLE_REQUEST = {"code": "4mXw9RtB4zKq", "name": "Camera at the main door", "version": "0.1.0"}
EXAMPLE_HEARTBEAT = {
    "sent_at": "2026-03-02T08:15:30Z",
    "camera": "live",
    "fps": 14.8,
    "latency_ms": 41.5,
    "outbox_depth": 0,
    "models": {},
    "version": "0.1.0",
}


@router.post("/enrol", status_code=201, responses=documented(ProblemCode.ENROLMENT_CODE_INVALID))
def enrol_device(
    request: Annotated[
        EnrolmentRequest, Body(openapi_examples={"a code": {"value": EXAMPLE_REQUEST}})
    ],
    http: Request,
    store: StoreDep,
    now: Now,
) -> Enrolment:
    """Turn a one-time code into a device with a key of its own, shown only here."""
    address = address_of(http.client)
    store.limits.count(ENROLMENTS_OF_AN_ADDRESS, "enrol-from", address)
    enrolment = store.devices.enrol(request, now)
    store.audit.record(
        actor=f"device:{enrolment.device_id}",
        act="device.enrolled",
        subject=f"device:{enrolment.device_id}",
        now=now,
        gate=enrolment.gate,
        request_id=request_id(),
    )
    log.info("device_enrolled", device_id=enrolment.device_id, gate=enrolment.gate)
    return enrolment


@router.post("/me/heartbeat", status_code=204)
def send_heartbeat(
    heartbeat: Annotated[
        Heartbeat, Body(openapi_examples={"all well": {"value": EXAMPLE_HEARTBEAT}})
    ],
    caller: Caller,
    store: StoreDep,
    now: Now,
) -> None:
    """Say that the device is alive, and how its camera and its outbox are."""
    if caller.device_id is None:
        raise RoleForbidden("this key belongs to no enrolled device")
    store.devices.beat(caller.device_id, heartbeat, now)


@router.get("", responses={**documented(ProblemCode.GATE_FORBIDDEN), **LINKED})
def list_devices(
    *,
    caller: Caller,
    store: StoreDep,
    settings: SettingsDep,
    now: Now,
    pages: PagesDep,
    gate: Annotated[GateId | None, Query(description="Enrolled at this gate alone")] = None,
) -> list[Device]:
    """List devices with their last heartbeat, the oldest first; revoked ones too."""
    at = readable_gate(caller, gate)
    latest = now - timedelta(seconds=settings.offline_after_s)
    held = [
        device.model_copy(update={"status": status_of(device, latest)})
        for device in store.devices.all()
        if at in {None, device.gate}
    ]
    return pages.of(
        held, lambda device: made(device.enrolled_at, device.id), lambda device: device.id
    )


@router.patch(
    "/{device_id}",
    responses=documented(ProblemCode.DEVICE_UNKNOWN, ProblemCode.GATE_FORBIDDEN),
    description=cleandoc(
        """
        Name a device, and its keys with it, or announce that it will be off for a while.

        The device's gate stays the same. A device that is switched off is reported as missing
        unless the time off was announced.
        """
    ),
)
def change_device(
    *,
    device_id: str,
    change: Annotated[
        DeviceChange,
        Body(
            openapi_examples={
                "a name": {"value": {"name": "North camera"}},
                "off on purpose": {"value": {"expected_offline_until": "2026-03-02T18:00:00Z"}},
                "not off any more": {"value": {"expected_offline_until": None}},
            }
        ),
    ],
    caller: Caller,
    store: StoreDep,
    settings: SettingsDep,
    trail: TrailDep,
    now: Now,
) -> Device:
    """Name a device, and its keys with it, or announce that it will be off for a while."""
    _held(store, device_id, caller)
    before = _seen(store, device_id)
    until = change.expected_offline_until
    if until is not None and not now < until <= now + LONGEST_ABSENCE:
        raise MalformedRequest(
            f"give a moment in the future, at most {LONGEST_ABSENCE.days} days from now, or null",
            ("body", "expected_offline_until"),
        )
    wanted: dict[str, Any] = {}
    if change.name is not None and change.name != before.name:
        wanted["name"] = change.name
        store.devices.rename(device_id, change.name)
    if "expected_offline_until" in change.model_fields_set:
        wanted["expected_offline_until"] = until
        if until is None:
            store.absences.cancel(device_id)
        else:
            store.absences.announce(device_id, until)
    if detail := differences(before, before.model_copy(update=wanted)):
        trail.record("device.changed", f"device:{device_id}", gate=before.gate, detail=detail)
        log.info("device_changed", device_id=device_id)
    latest = now - timedelta(seconds=settings.offline_after_s)
    shown = _seen(store, device_id)
    return shown.model_copy(update={"status": status_of(shown, latest)})


@router.delete(
    "/{device_id}",
    status_code=204,
    responses=documented(ProblemCode.DEVICE_UNKNOWN, ProblemCode.GATE_FORBIDDEN),
    description=cleandoc(
        """
        Revoke a device: its key is revoked, and its events are kept.

        Revoking it again changes nothing. The device stays in the list, as revoked.
        """
    ),
)
def revoke_device(device_id: str, caller: Caller, store: StoreDep, trail: TrailDep) -> None:
    """Revoke a device and its key, and keep its events."""
    device = _held(store, device_id, caller)
    store.devices.revoke(device_id)
    if not device.revoked:
        trail.record("device.revoked", f"device:{device_id}", gate=device.gate)
        log.info("device_revoked", device_id=device_id)


def _seen(store: Store, device_id: str) -> Device:
    device = store.devices.seen(device_id)
    if device is None:
        raise DeviceUnknown("there is no device of this id")
    return device


def _held(store: Store, device_id: str, caller: Principal) -> Device:
    device = store.devices.get(device_id)
    if device is None:
        raise DeviceUnknown("there is no device of this id")
    at_gate(caller, device.gate)
    return device
