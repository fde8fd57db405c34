"""Metrics of what the store holds: devices, the last backup, and Redis itself.

Every process of the API reads them from the same Redis, so all of them say the same; a query takes
the `max` of them.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from cloud import liveness
from cloud.api.device_status import status_of
from cloud.contract import CameraState, Device, DeviceStatus
from cloud.errors import StoreFault, StoreUnavailable
from cloud.store import Reading, Store, now

log = structlog.get_logger("cloud.api")

KEPT_FOR_S: Final = 5.0
"""So long a text is given to everyone who asks: asking often does not keep Redis busy."""

OF_A_DEVICE: Final = ("device", "gate", "name")


@dataclass(frozen=True, slots=True)
class StorePart:
    """What the store adds to the page of metrics.

    Attributes:
        queue: jobs that wait, and for how many seconds the oldest has; None with the store away.
        text: the metrics of what it holds, in Prometheus' text format.
    """

    queue: tuple[int, float] | None
    text: bytes


def ask(store: Store, metrics: "StoreMetrics") -> StorePart:
    """Ask the store for its part of the page."""
    queue: tuple[int, float] | None = None
    text = b""
    try:
        queue = (store.waiting_jobs(), store.oldest_wait_s())
        text = metrics.text()
    except StoreUnavailable:
        queue = None
    except StoreFault as error:
        log.warning("metrics_incomplete", error=str(error))
    return StorePart(queue, text)


class StoreMetrics:
    """The text of these metrics, made anew when it is older than KEPT_FOR_S.

    Args:
        take: takes a reading of the store.
        offline_after: without a heartbeat for this long, a device counts as offline.
        named: how many devices have metrics of their own, the first enrolled first.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        take: Callable[[], Reading],
        *,
        offline_after: timedelta,
        named: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._take = take
        self._offline_after = offline_after
        self._named = named
        self._clock = clock
        self._turn = threading.Lock()
        self._made_at = float("-inf")
        self._text = b""

    def text(self) -> bytes:
        """Return the metrics in Prometheus' text format; raise StoreError with the store away."""
        with self._turn:
            if self._clock() - self._made_at >= KEPT_FOR_S:
                registry = CollectorRegistry()
                reading = self._take()
                registry.register(Readout(reading, now(), self._offline_after, self._named))
                self._text = generate_latest(registry)
                self._made_at = self._clock()
            return self._text


class Readout(Collector):
    """One reading of the store as metrics."""

    def __init__(
        self, reading: Reading, at: datetime, offline_after: timedelta, named: int
    ) -> None:
        self._reading = reading
        self._at = at
        self._latest = at - offline_after
        self._devices = [device for device in reading.devices if not device.revoked]
        self._namesakes: dict[tuple[str, str], list[Device]] = defaultdict(list)
        for device in self._devices:
            self._namesakes[device.gate, device.name].append(device)
        self._limit = named
        self._named = self._devices[:named]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics."""
        yield from self._of_all_devices()
        yield from self._of_each_device()
        yield from self._of_heartbeats()
        yield self._of_backups()
        yield from self._of_redis()

    def _of_all_devices(self) -> Iterator[GaugeMetricFamily]:
        counted = GaugeMetricFamily(
            "maskgate_devices", "Enrolled devices that are not revoked", labels=["status"]
        )
        online = sum(self._is_online(device) for device in self._devices)
        counted.add_metric([DeviceStatus.ONLINE], online)
        counted.add_metric([DeviceStatus.OFFLINE], len(self._devices) - online)
        yield counted
        if self._limit:
            yield GaugeMetricFamily(
                "maskgate_devices_unlisted",
                "Devices without metrics of their own, because there are more than "
                "CLOUD_METRICS_DEVICES",
                value=max(len(self._devices) - self._limit, 0),
            )

    def _of_each_device(self) -> Iterator[GaugeMetricFamily]:
        online = _family("maskgate_device_online", "1 while the device sends heartbeats, else 0")
        expected = _family(
            "maskgate_device_expected",
            "1 if the device should be online, 0 if it is off on purpose or was never online",
        )
        seen = _family(
            "maskgate_device_last_seen_timestamp_seconds",
            "Time of the last heartbeat by the cloud's clock, in seconds since 1970",
        )
        for device in self._named:
            labels = _labels(device)
            online.add_metric(labels, self._is_online(device))
            expected.add_metric(labels, self._is_expected(device))
            if device.last_seen_at is not None:
                seen.add_metric(labels, device.last_seen_at.timestamp())
        yield from (online, expected, seen)

    def _of_heartbeats(self) -> Iterator[GaugeMetricFamily]:
        camera = _family(
            "maskgate_device_camera_state",
            "1 for the state of the camera in the last heartbeat, 0 for the other states",
            "state",
        )
        depth = _family(
            "maskgate_device_outbox_depth",
            "Events that the device had not delivered at its last heartbeat",
        )
        problems = _family(
            "maskgate_device_problems", "Number of problems that the last heartbeat names"
        )
        info = _family(
            "maskgate_device_info",
            "Always 1; the version of the edge's software is a label",
            "version",
        )
        for device in self._named:
            last = device.last_heartbeat
            if last is None:
                continue
            labels = _labels(device)
            for state in CameraState:
                camera.add_metric([*labels, state], last.camera is state)
            depth.add_metric(labels, last.outbox_depth)
            problems.add_metric(labels, len(last.problems))
            info.add_metric([*labels, last.version], 1)
        yield from (camera, depth, problems, info)

    def _of_backups(self) -> GaugeMetricFamily:
        backed_up_at = self._reading.backed_up_at
        return GaugeMetricFamily(
            "maskgate_backup_last_success_timestamp_seconds",
            "Time of the last backup that succeeded, in seconds since 1970; 0 before the first",
            value=backed_up_at.timestamp() if backed_up_at is not None else 0,
        )

    def _of_redis(self) -> Iterator[GaugeMetricFamily]:
        used = GaugeMetricFamily(
            "maskgate_redis_memory_bytes", "Memory that Redis uses", labels=["redis"]
        )
        limit = GaugeMetricFamily(
            "maskgate_redis_memory_limit_bytes",
            "Redis' maxmemory; 0 without a limit",
            labels=["redis"],
        )
        written = GaugeMetricFamily(
            "maskgate_redis_log_written",
            "1 if Redis' last write to its append-only file succeeded, 0 if it failed",
            labels=["redis"],
        )
        for name, state in self._reading.redis.items():
            used.add_metric([name], state.memory_bytes)
            limit.add_metric([name], state.memory_limit_bytes)
            if state.log_is_written is not None:
                written.add_metric([name], state.log_is_written)
        yield from (used, limit, written)

    def _is_online(self, device: Device) -> bool:
        return status_of(device, self._latest) is DeviceStatus.ONLINE

    def _is_expected(self, device: Device) -> bool:
        # Only a device of the same gate and name can have replaced it: 1,000 devices are not each
        # held against 1,000.
        namesakes = self._namesakes[device.gate, device.name]
        return device.last_seen_at is not None and not liveness.may_be_silent(
            device, namesakes, self._at
        )


def _family(name: str, text: str, *more: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=[*OF_A_DEVICE, *more])


def _labels(device: Device) -> list[str]:
    return [device.id, device.gate, device.name]
