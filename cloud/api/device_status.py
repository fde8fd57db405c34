"""The status of a device, by its latest heartbeat."""

from datetime import datetime

from cloud.contract import Device, DeviceStatus


def status_of(device: Device, latest: datetime) -> DeviceStatus:
    """Return whether a device counts as online: heard of after `latest`, and not shut out."""
    heard = device.last_seen_at is not None and device.last_seen_at > latest
    return DeviceStatus.ONLINE if heard and not device.revoked else DeviceStatus.OFFLINE
