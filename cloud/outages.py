"""Devices that fall silent: a gate's subscribers are told once, and once when they are back."""

import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from cloud import announcements, availability
from cloud.contract import Delivery, Device
from cloud.errors import StoreError
from cloud.settings import Settings
from cloud.store import Store, now

log = structlog.get_logger("cloud.outages")

LOOK_EVERY_S: Final = 10.0


class Outlook:
    """Looks for silent devices, on a thread of its own. Any number of workers may."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._after = timedelta(seconds=settings.offline_after_s)
        self._zone = ZoneInfo(settings.time_zone)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="outlook", daemon=True)

    def start(self) -> None:
        """Begin to look, every ten seconds."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _work(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            try:
                look(self._store, self._after, now(), self._zone)
            except StoreError as error:
                availability.of_the_store.lost("outages", error)
            else:
                availability.of_the_store.restored("outages")


def look(store: Store, after: timedelta, at: datetime, zone: tzinfo = UTC) -> None:
    """Note who has fallen silent and who is back; each is told once, however many look."""
    silent = store.outages.all()
    devices = store.devices.all()
    for device in devices:
        since = device.last_seen_at
        if since is None:
            continue
        is_silent = at - since > after
        if device.id in silent:
            if device.revoked:
                store.outages.end(device.id, [], at)
            elif not is_silent:
                told = _deliveries(store, device, silent[device.id], at, over=True, zone=zone)
                if store.outages.end(device.id, told, at):
                    log.info("device_back", device_id=device.id, gate=device.gate)
        elif is_silent and not may_be_silent(device, devices, at):
            told = _deliveries(store, device, since, at, over=False, zone=zone)
            if store.outages.begin(device.id, since, told, at):
                log.warning("device_offline", device_id=device.id, gate=device.gate)
        _follow_absence(store, device, at, is_silent=is_silent)


def may_be_silent(device: Device, devices: Iterable[Device], at: datetime) -> bool:
    """Return whether nobody misses a device that falls silent.

    Args:
        device: the one in question.
        devices: all that are enrolled.
        at: the moment in question.
    """
    return (
        device.revoked
        or has_finished(device)
        or is_announced(device, at)
        or is_replaced(device, devices)
    )


def has_finished(device: Device) -> bool:
    """Return whether the device's last word was that its file or folder was played to its end.

    A camera does not end: one whose process was stopped is missed, however orderly it went. Edges
    of before `finished` say `ended` of both, and so are missed in either case: an alarm too many
    does less harm than a door that nobody watches.
    """
    last = device.last_heartbeat
    return last is not None and last.finished


def is_announced(device: Device, at: datetime) -> bool:
    """Return whether an operator has announced that the device is off at that moment."""
    until = device.expected_offline_until
    return until is not None and at < until


def is_replaced(device: Device, devices: Iterable[Device]) -> bool:
    """Return whether the device was enrolled anew since it was last heard of, and is heard of so.

    It then has another id, and the same gate and name. A second camera beside it has a name of its
    own, or is heard of at the same time.
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


def _follow_absence(store: Store, device: Device, at: datetime, *, is_silent: bool) -> None:
    """An announced absence is over when its time is, or when the device is back from it."""
    if device.expected_offline_until is None:
        return
    if is_silent and is_announced(device, at):
        if store.absences.begin(device.id):
            log.info("device_offline_as_announced", device_id=device.id, gate=device.gate)
    elif store.absences.end(device.id, at):
        log.info("announced_absence_over", device_id=device.id, gate=device.gate)


def _deliveries(
    store: Store, device: Device, since: datetime, at: datetime, *, over: bool, zone: tzinfo
) -> list[Delivery]:
    gate = store.gates.get(device.gate)
    if gate is None:
        return []
    subscribers = store.gates.subscribers(gate.id)
    return announcements.of_device(
        device, gate, subscribers, since=since, at=at, over=over, zone=zone
    )
