"""The outage detector: a gate's subscribers are told once of a silent device, and once it is back.

Any number of workers may look at the same time: the store lets one of them tell.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from cloud import announcements
from cloud.contract import Delivery, Device
from cloud.liveness import is_announced, may_be_silent
from cloud.periodic import PeriodicTask
from cloud.settings import Settings
from cloud.store import Store, now

log = structlog.get_logger("cloud.outages")

LOOK_EVERY_S: Final = 10.0


def task(store: Store, settings: Settings) -> PeriodicTask:
    """Return the task that looks for silent devices."""
    after = timedelta(seconds=settings.offline_after_s)
    zone = ZoneInfo(settings.time_zone)
    return PeriodicTask(
        "outages",
        lambda: detect(store, after, now(), zone),
        interval_s=LOOK_EVERY_S,
    )


def detect(store: Store, after: timedelta, at: datetime, zone: tzinfo = UTC) -> None:
    """Record which devices have fallen silent and which are back, and tell subscribers of both.

    Args:
        store: The store.
        after: How long a device may send no heartbeat.
        at: The current time.
        zone: The time zone of gates that have none of their own.
    """
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
        _follow_announced_absence(store, device, at, is_silent=is_silent)


def _follow_announced_absence(
    store: Store, device: Device, at: datetime, *, is_silent: bool
) -> None:
    """End an announced absence when its time is over, or when the device is back from it."""
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
