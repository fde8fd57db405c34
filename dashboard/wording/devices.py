"""The remarks on a gate's devices: whether they report, and whether their cameras work."""

from collections.abc import Iterable
from datetime import timedelta

from cloud.client import Unread
from cloud.contract import CameraState, Device, Gate
from dashboard.wording.clock import LocalClock

SILENT = timedelta(seconds=60)
"""A device without a report for so long is silent: it sends one about every 15 s."""


def remarks_on_devices(
    devices: Iterable[Device | Unread], gate: Gate, clock: LocalClock
) -> list[tuple[str, str]]:
    """Return a kind (plain, choice or bad) and a sentence for each device of the gate."""
    known: list[tuple[str, str]] = []
    for device in devices:
        if isinstance(device, Unread):
            if device.text("gate") == gate.id:
                known.append(_unread(device))
        elif device.gate == gate.id and not device.revoked:
            known.append(_remark(device, clock))
    if not known:
        return [
            (
                "bad",
                "No device is enrolled at this gate, so nobody is looked at. Make an enrolment "
                f"code with: python -m cloud enrolment-codes create {gate.id}; then run on the "
                "device: python -m edge enrol.",
            )
        ]
    return known


def _unread(device: Unread) -> tuple[str, str]:
    return (
        "bad",
        f"The state of {device.text('name') or 'a device'} cannot be shown: this dashboard does "
        f"not know {device.why}. Update the dashboard.",
    )


def _remark(device: Device, clock: LocalClock) -> tuple[str, str]:
    beat, heard_at = device.last_heartbeat, device.last_seen_at
    if beat is None or heard_at is None:
        return "choice", f"{device.name} is enrolled and has not reported yet."
    if clock.now - heard_at > SILENT:
        until = device.expected_offline_until
        if until is not None and clock.now < until:
            return "choice", f"{device.name} is off until {clock.at(until)}, as planned."
        return (
            "bad",
            f"{device.name} last reported at {clock.at(heard_at)}. It keeps its verdicts until it "
            "reaches the cloud again: check its power and its network.",
        )
    waiting = f" {beat.outbox_depth} of its events are on their way." if beat.outbox_depth else ""
    match beat.camera:
        case CameraState.LIVE:
            return "plain", f"{device.name}: camera live, {beat.fps:.0f} frames/s.{waiting}"
        case CameraState.RECONNECTING:
            return (
                "bad",
                f"{device.name} gets no picture from its camera and keeps trying: check the camera "
                f"and its cable.{waiting}",
            )
        case CameraState.ENDED:
            what = "The film has ended" if beat.finished else "The program was stopped"
            return "choice", f"{device.name}: {what}, so nobody is looked at.{waiting}"
