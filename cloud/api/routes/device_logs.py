"""The last lines of a device's log, on request."""

from typing import Annotated

from fastapi import APIRouter, Body

from cloud.api.access.audit_trail import TrailDep
from cloud.api.access.dependencies import Caller, Now, StoreDep
from cloud.api.problems import documented
from cloud.api.routes.commands import OwnDevice, reachable
from cloud.contract import CommandKind, DeviceLog, LogRequest, ProblemCode
from cloud.errors import LogAbsent

EXAMPLE_LOG = {
    "taken_at": "2026-03-02T08:15:30Z",
    "lines": ['{"event": "camera_stalled", "level": "error"}'],
    "left_out": 2,
}

router = APIRouter(prefix="/v1", tags=["devices"])

LOG = "/v1/devices/me/log"

_ON_A_DEVICE = documented(ProblemCode.DEVICE_UNKNOWN, ProblemCode.GATE_FORBIDDEN)


@router.put("/devices/me/log", status_code=204)
def put_own_log(
    own: OwnDevice,
    log: Annotated[DeviceLog, Body(openapi_examples={"one line": {"value": EXAMPLE_LOG}})],
    store: StoreDep,
) -> None:
    """Send the last lines of the log, because `send_log` asked for them. They are kept an hour."""
    store.device_logs.keep(str(own.device_id), log)


@router.post("/devices/{device_id}/log", status_code=202, responses=_ON_A_DEVICE)
def request_device_log(
    *,
    device_id: str,
    request: Annotated[LogRequest, Body(openapi_examples={"few lines": {"value": {"lines": 50}}})],
    caller: Caller,
    store: StoreDep,
    trail: TrailDep,
    now: Now,
) -> None:
    """Ask a device for the last lines of its log. The lines that it sent before are deleted."""
    device = reachable(store, caller, device_id)
    store.device_logs.delete(device.id)
    store.commands.issue([device.id], CommandKind.SEND_LOG, now, lines=request.lines)
    trail.record(
        "device.log_asked", f"device:{device.id}", gate=device.gate, detail=f"{request.lines} lines"
    )


@router.get(
    "/devices/{device_id}/log",
    responses={**_ON_A_DEVICE, **documented(ProblemCode.LOG_ABSENT)},
)
def get_device_log(device_id: str, caller: Caller, store: StoreDep) -> DeviceLog:
    """Read the log lines that a device sent in the last hour."""
    device = reachable(store, caller, device_id)
    held = store.device_logs.get(device.id)
    if held is None:
        raise LogAbsent(
            "the device has sent no log in the last hour; POST to this address asks for it"
        )
    return held
