"""The remarks on a gate's devices: whether they report, and what is wrong with them."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from cloud.client import Unread
from cloud.contract import CameraReport, CameraState, Device, DeviceProblem, Gate, Heartbeat
from dashboard.wording.clock import LocalClock
from dashboard.wording.problems import Severity, place_of, words_for

SILENT = timedelta(seconds=60)
"""A device without a report for so long is silent: it sends one about every 15 s."""

_LOST = DeviceProblem.CAMERA_LOST
_WORST_FIRST = (Severity.BAD, Severity.WARNING, "plain")
_OF_MODEL_UPDATES = (DeviceProblem.MODEL_UPDATE_FAILED, DeviceProblem.MODEL_ROLLED_BACK)


def remarks_on_devices(
    devices: Iterable[Device | Unread], gate: Gate, clock: LocalClock
) -> list[tuple[str, str]]:
    """Return the remarks on the devices of a gate.

    Args:
        devices: The devices that the key may read.
        gate: The gate.
        clock: The clock of the viewer.

    Returns:
        A kind (plain, choice or bad) and a text for each remark, the worst first. A device has a
        remark on its state, and one for each of its problems.
    """
    known: list[tuple[str, str]] = []
    for device in devices:
        if isinstance(device, Unread):
            if device.text("gate") == gate.id:
                known.append(_unread(device))
        elif device.gate == gate.id and not device.revoked:
            known += _remarks(device, clock)
    if not known:
        return [
            (
                "bad",
                "No device is enrolled at this gate, so nobody is looked at. Make an enrolment "
                f"code with: python -m cloud enrolment-codes create {gate.id}; then run on the "
                "device: python -m edge enrol.",
            )
        ]
    return sorted(known, key=lambda remark: _WORST_FIRST.index(remark[0]))


def _unread(device: Unread) -> tuple[str, str]:
    return (
        "bad",
        f"The state of {device.text('name') or 'a device'} cannot be shown: this dashboard does "
        f"not know {device.why}. Update the dashboard.",
    )


def _remarks(device: Device, clock: LocalClock) -> list[tuple[str, str]]:
    beat, heard_at = device.last_heartbeat, device.last_seen_at
    if beat is None or heard_at is None:
        return [("choice", f"{device.name} is enrolled and has not reported yet.")]
    if clock.now - heard_at > SILENT:
        return [_on_silence(device, heard_at, clock)]
    cameras = _cameras(device.name, beat)
    *others, (kind, words) = _on_cameras(device.name, beat, cameras)
    if beat.outbox_depth:
        words += f" {beat.outbox_depth} of its events are on their way."
    return [*others, (kind, words), *_on_problems(device.name, beat, cameras)]


def _on_silence(device: Device, heard_at: datetime, clock: LocalClock) -> tuple[str, str]:
    until = device.expected_offline_until
    if until is not None and clock.now < until:
        return "choice", f"{device.name} is off until {clock.at(until)}, as planned."
    return (
        "bad",
        f"{device.name} last reported at {clock.at(heard_at)}. It keeps its verdicts until it "
        "reaches the cloud again: check its power and its network.",
    )


def _cameras(device: str, beat: Heartbeat) -> dict[str, CameraReport]:
    """Return the report of each camera, by the name that people read; the device's for the only."""
    if beat.cameras:
        return {f"{device}, camera {name}": report for name, report in beat.cameras.items()}
    only = CameraReport(
        state=beat.camera,
        fps=beat.fps,
        latency_ms=beat.latency_ms,
        finished=beat.finished,
        problems=beat.problems,
    )
    return {device: only}


def _on_cameras(
    device: str, beat: Heartbeat, cameras: dict[str, CameraReport]
) -> list[tuple[str, str]]:
    """Return a remark on each camera without pictures, and one on all that are live."""
    remarks = []
    for name, report in cameras.items():
        if report.state is CameraState.RECONNECTING:
            words = (
                "gets no picture from its camera and keeps trying: check the camera and its cable"
            )
            remarks.append(("bad", f"{name} {words}."))
        elif report.state is CameraState.ENDED:
            what = "The film has ended" if report.finished else "The program was stopped"
            remarks.append(("choice", f"{name}: {what}, so nobody is looked at."))
    live = [name for name, each in beat.cameras.items() if each.state is CameraState.LIVE]
    if live or not remarks:
        which = f"cameras {', '.join(live)}" if live else "camera"
        remarks.append(("plain", f"{device}: {which} live, {beat.fps:.0f} frames/s."))
    return remarks


def _on_problems(
    device: str, beat: Heartbeat, cameras: dict[str, CameraReport]
) -> list[tuple[str, str]]:
    """Return a remark on each problem, the worst first; a camera among several is named."""
    found = [
        (problem, name)
        for name, report in cameras.items()
        for problem in report.problems
        # The remark on the camera's state says so already.
        if not (problem == _LOST and report.state is CameraState.RECONNECTING)
    ]
    of_cameras = {problem for report in cameras.values() for problem in report.problems}
    found += [(problem, device) for problem in beat.problems if problem not in of_cameras]
    remarks = []
    for problem, name in sorted(found, key=lambda each: place_of(each[0])):
        words = words_for(problem)
        text = f"{name}: {words.what}{_reason(problem, beat)} {words.mend}"
        remarks.append((words.severity.value, text))
    return remarks


def _reason(problem: str, beat: Heartbeat) -> str:
    """Return why a model update failed, as the device says it; nothing for another problem."""
    update = beat.model_update
    if update is None or problem not in _OF_MODEL_UPDATES:
        return ""
    return f" Reason: {': '.join(filter(None, (update.problem, update.detail)))}."
