"""Liveness of devices: whether anybody misses a device that sends no heartbeats."""

from collections.abc import Iterable
from datetime import datetime

from cloud.contract import Device


def may_be_silent(device: Device, devices: Iterable[Device], at: datetime) -> bool:
    """Return whether nobody misses the device while it is silent.

    Args:
        device: The device in question.
        devices: All enrolled devices.
        at: The moment in question.

    Returns:
        True where the device is revoked, has finished, is off as announced, or was replaced.
    """
    return (
        device.revoked
        or has_finished(device)
        or is_announced(device, at)
        or is_replaced(device, devices)
    )


def has_finished(device: Device) -> bool:
    """Return whether the last heartbeat said that the device's file or folder was at its end.

    A camera has no end: a device is missed whose process was stopped, even in good order. Edges
    that are older than the field `finished` send the camera state `ended` in both cases, and are
    missed in both: a needless alarm does less harm than a door that nobody watches.

    Args:
        device: The device in question.

    Returns:
        True where the device has played its source to the end.
    """
    last = device.last_heartbeat
    return last is not None and last.finished


def is_announced(device: Device, at: datetime) -> bool:
    """Return whether an operator has announced that the device is off at that moment."""
    until = device.expected_offline_until
    return until is not None and at < until


def is_replaced(device: Device, devices: Iterable[Device]) -> bool:
    """Return whether the device was enrolled again since its last heartbeat, and is heard again.

    After a second enrolment the device has another id, and the same gate and name. A second camera
    at the gate has a name of its own, or sends heartbeats at the same time as the first.

    Args:
        device: The device in question.
        devices: All enrolled devices.

    Returns:
        True where another entry of `devices` stands for the same device.
    """
    last = device.last_seen_at
    return last is not None and any(
        other.id != device.id
        and not other.revoked
        and (other.gate, other.name) == (device.gate, device.name)
        and other.last_seen_at is not None
        and other.last_seen_at >= other.enrolled_at >= max(last, device.enrolled_at)
        for other in devices
    )
