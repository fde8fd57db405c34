"""Devices that fall silent: a gate's subscribers are told once, and once when they are back."""

import threading
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from cloud import announcements
from cloud.contract import CameraState, Delivery, Device
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
                log.warning("nobody looks for silent devices: the store is away", error=str(error))


def look(store: Store, after: timedelta, at: datetime, zone: tzinfo = UTC) -> None:
    """Note who has fallen silent and who is back; each is told once, however many look."""
    silent = store.outages.all()
    for device in store.devices.all():
        since = device.last_seen_at
        if since is None:
            continue
        if device.id in silent:
            if device.revoked:
                store.outages.end(device.id, [], at)
            elif at - since <= after:
                told = _deliveries(store, device, silent[device.id], at, over=True, zone=zone)
                if store.outages.end(device.id, told, at):
                    log.info("device back", device_id=device.id, gate=device.gate)
        elif at - since > after and not (device.revoked or said_goodbye(device)):
            told = _deliveries(store, device, since, at, over=False, zone=zone)
            if store.outages.begin(device.id, since, told, at):
                log.warning("device offline", device_id=device.id, gate=device.gate)


def said_goodbye(device: Device) -> bool:
    """Whether the device's last word was that its source had ended: a clip, not a camera."""
    last = device.last_heartbeat
    return last is not None and last.camera is CameraState.ENDED


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
