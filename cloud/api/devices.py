"""Devices: how they are enrolled, what they report, how they are shut out."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Body

from cloud.api.deps import Caller, Now, StoreDep, at_gate
from cloud.api.problems import documented
from cloud.contract import Device, Enrolment, EnrolmentRequest, Heartbeat, ProblemCode
from cloud.errors import DeviceUnknown, RoleForbidden

log = structlog.get_logger("cloud.api")

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
    store: StoreDep,
    now: Now,
) -> Enrolment:
    """Turn a one-time code into a device with a key of its own, shown only here."""
    enrolment = store.devices.enrol(request, now)
    log.info("device enrolled", device_id=enrolment.device_id, gate=enrolment.gate)
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


@router.get("")
def list_devices(caller: Caller, store: StoreDep) -> list[Device]:
    """List devices with their last heartbeat, the oldest first."""
    return [device for device in store.devices.all() if caller.gate in {None, device.gate}]


@router.delete(
    "/{device_id}",
    status_code=204,
    responses=documented(ProblemCode.DEVICE_UNKNOWN, ProblemCode.GATE_FORBIDDEN),
)
def revoke_device(device_id: str, caller: Caller, store: StoreDep) -> None:
    """Shut a device out: its key is taken back, what it sent is kept."""
    device = store.devices.get(device_id)
    if device is None:
        raise DeviceUnknown("there is no device of this id")
    at_gate(caller, device.gate)
    store.devices.revoke(device_id)
    log.info("device revoked", device_id=device_id)
