"""The health of this device: counts and times for heartbeats and metrics."""

import socket
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cloud.contract import DeviceProblem
from cloud.contract.devices import MOST_PROBLEMS
from edge.errors import SettingsError
from edge.values import Frame, Judgement, Verdict

_WINDOW_S = 10.0
"""Seconds over which frames per second and latency are measured."""

_COUNTED_FROM_ZERO = (
    "CameraStalled",
    "EventDroppedError",
    "EventRejectedError",
    "Link_key_refused",
    "Link_offline",
    "OutboxDamagedError",
    "OutboxFullError",
    "OutboxUnwritableError",
    "PictureFault",
    "StageStuck",
)
"""Errors whose counters exist with 0 from the start. If a counter began with 1 at the first error,
Prometheus would see no increase, and an alert would miss the error."""

_SCRAPE_TIMEOUT_S = 10.0
"""Prometheus's default of `scrape_timeout`."""


_M = TypeVar("_M", Counter, Histogram)


class Health:
    """Counts frames, verdicts, deliveries and errors. May be used from several threads.

    Args:
        cameras: The names of the cameras. Metrics of several have the label `camera`.
        clock: Returns monotonic seconds.

    Attributes:
        registry: The metrics for Prometheus.
    """

    def __init__(
        self, cameras: Sequence[str] = ("",), *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # (time, latency) of each frame, by its camera
        self._recent: dict[str, deque[tuple[float, float]]] = {name: deque() for name in cameras}
        self._by_camera = ("camera",) if any(cameras) else ()
        self._started = clock()
        self.registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}
        self._frames = self._counter("frames_judged", "Frames judged", *self._by_camera)
        self._faces = self._counter("faces_judged", "Faces judged", "label", *self._by_camera)
        self._dead = self._counter(
            "frames_dead",
            "Frames not judged, because they show nothing of the door",
            *self._by_camera,
        )
        self._small = self._counter(
            "faces_too_small", "Faces too small to be judged", *self._by_camera
        )
        self._stills = self._counter(
            "stills_suspected", "Masked faces that did not move and got no pass", *self._by_camera
        )
        self._verdicts = self._counter("verdicts", "Verdicts stored", "label", *self._by_camera)
        self._deliveries = self._counter("events_delivered", "Events that the cloud acknowledged")
        self._errors = self._counter("errors", "Errors by name", "error")
        for name in _COUNTED_FROM_ZERO:
            self._errors.labels(name)
        self._latency = Histogram(
            "maskgate_edge_latency_seconds",
            "From a frame's reading to its labels",
            self._by_camera,
            registry=self.registry,
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"maskgate_edge_{name}", text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, value: Callable[[], float], **labels: str) -> None:
        """Add a gauge whose value is computed at each scrape.

        Args:
            name: Without the prefix. Gauges of one name differ in the values of their labels.
            text: The metric's help.
            value: Is called at each scrape.
            labels: Names of the labels, each with its value.
        """
        if name not in self._gauges:
            self._gauges[name] = Gauge(
                f"maskgate_edge_{name}", text, tuple(labels), registry=self.registry
            )
        gauge = self._gauges[name]
        (gauge.labels(**labels) if labels else gauge).set_function(value)

    def report_problems(self, names: Iterable[str], present: Callable[[], Iterable[str]]) -> None:
        """Add a gauge for each problem: 1 while the device has it.

        Args:
            names: Of all problems.
            present: Returns the names of those that the device has. It is called once a scrape.
        """
        self.registry.register(_ProblemCollector(tuple(names), present))

    def count_frame(
        self, frame: Frame, judgements: list[Judgement], too_small: int, camera: str = ""
    ) -> None:
        """Count a frame and its faces, and measure the frame's latency."""
        now = self._clock()
        latency = max(0.0, now - frame.read_at)
        of = self._labels(camera)
        with self._lock:
            self._recent[camera].append((now, latency))
            self._trim(now)
        _child(self._frames, of).inc()
        _child(self._latency, of).observe(latency)
        _child(self._small, of).inc(too_small)
        for judged in judgements:
            self._faces.labels(label=judged.label, **of).inc()

    def count_dead_frame(self, camera: str = "") -> None:
        """Count a frame that was not judged, because it shows nothing of the door."""
        _child(self._dead, self._labels(camera)).inc()

    def count_verdict(self, verdict: Verdict) -> None:
        """Count a verdict."""
        self._verdicts.labels(label=verdict.label, **self._labels(verdict.camera)).inc()

    def count_still(self, camera: str = "") -> None:
        """Count a face that may be a picture."""
        _child(self._stills, self._labels(camera)).inc()

    def count_delivery(self) -> None:
        """Count an acknowledged event."""
        self._deliveries.inc()

    def count_error(self, error: Exception | str) -> None:
        """Count an error by the name of its class, or by the given name."""
        name = error if isinstance(error, str) else type(error).__name__
        self._errors.labels(name).inc()

    def _labels(self, camera: str) -> dict[str, str]:
        return dict.fromkeys(self._by_camera, camera)

    def _trim(self, now: float) -> None:
        for recent in self._recent.values():
            while recent and now - recent[0][0] > _WINDOW_S:
                recent.popleft()

    def _latencies(self, cameras: Iterable[str]) -> list[float]:
        """Return the latency of each frame of the last ten seconds, in seconds."""
        with self._lock:
            self._trim(self._clock())
            return [latency for camera in cameras for _, latency in self._recent[camera]]

    @property
    def fps(self) -> float:
        """Frames judged per second over the last ten seconds, of all cameras together."""
        return self._per_second(len(self._latencies(self._recent)))

    def fps_of(self, camera: str) -> float:
        """Return the frames judged per second of one camera, over the last ten seconds."""
        return self._per_second(len(self._latencies([camera])))

    @property
    def latency_ms(self) -> float:
        """Median milliseconds from reading a frame to its labels, over the last ten seconds."""
        return _median_ms(self._latencies(self._recent))

    def latency_ms_of(self, camera: str) -> float:
        """Return the same for the frames of one camera."""
        return _median_ms(self._latencies([camera]))

    def _per_second(self, count: int) -> float:
        span = min(_WINDOW_S, self._clock() - self._started)
        return count / span if span > 0 else 0.0


def worst(problems: Iterable[DeviceProblem]) -> list[DeviceProblem]:
    """Return the problems that a heartbeat names: the worst first, and no more than it may hold."""
    order = list(DeviceProblem)
    return sorted(problems, key=order.index)[:MOST_PROBLEMS]


class _ProblemCollector(Collector):
    """The problems of the device, as metrics."""

    def __init__(self, names: tuple[str, ...], present: Callable[[], Iterable[str]]) -> None:
        self._names = names
        self._present = present

    def describe(self) -> Iterable[Metric]:
        """Return the metric without values, so that nothing is computed at registration."""
        return [self._family()]

    def collect(self) -> Iterable[Metric]:
        """Return the metric with the present problems."""
        family, present = self._family(), set(self._present())
        for name in self._names:
            family.add_metric([name], name in present)
        return [family]

    def _family(self) -> GaugeMetricFamily:
        text = "1 while the device has this problem"
        return GaugeMetricFamily("maskgate_edge_problem", text, labels=["problem"])


def _child(metric: _M, labels: dict[str, str]) -> _M:
    """Return the part of a metric with these labels; the metric itself if there are none."""
    return metric.labels(**labels) if labels else metric


def _median_ms(seconds: list[float]) -> float:
    return statistics.median(seconds) * 1000 if seconds else 0.0


def _time_limited(handler: type[Any], timeout_s: float) -> type[Any]:
    """Return the handler with a limit: a connection must send its whole request in `timeout_s`."""

    class TimeLimited(handler):  # type: ignore[misc]
        timeout = timeout_s  # socketserver's limit for each read and write

        def handle(self) -> None:
            self._deadline = threading.Timer(timeout_s, self._disconnect)
            self._deadline.daemon = True
            self._deadline.start()
            try:
                with suppress(TimeoutError, ConnectionError):
                    super().handle()
            finally:
                self._deadline.cancel()

        def parse_request(self) -> bool:
            is_complete = bool(super().parse_request())
            self._deadline.cancel()
            return is_complete

        def _disconnect(self) -> None:
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    return TimeLimited


def serve_metrics(
    health: Health, host: str, port: int, scrape_timeout_s: float = _SCRAPE_TIMEOUT_S
) -> Callable[[], None]:
    """Serve the metrics for Prometheus.

    Args:
        health: Has the metrics.
        host: Address to listen on.
        port: Port to listen on.
        scrape_timeout_s: Seconds after which a connection without a whole request is closed.

    Returns:
        A function that stops the server.

    Raises:
        SettingsError: The port cannot be used.
    """
    try:
        server, thread = start_http_server(port, host, health.registry)
    except OSError as error:
        raise SettingsError(
            f"EDGE_METRICS_PORT: {host}:{port} cannot be used: {error.strerror}",
            "Choose another port",
        ) from error
    server.RequestHandlerClass = _time_limited(
        cast("type[Any]", server.RequestHandlerClass), scrape_timeout_s
    )

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
