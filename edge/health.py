"""How this device is: counts and times for heartbeats and metrics, and the watchdog."""

import socket
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from cloud.contract import CameraState
from edge.errors import SettingsError
from edge.values import Frame, Judgement, Verdict

_log = structlog.get_logger(__name__)

_WINDOW_S = 10.0
"""Frames per second and latency are those of the last ten seconds."""

_FROM_THE_START = (
    "CameraStalled",
    "EventRejectedError",
    "Link_key_refused",
    "Link_offline",
    "OutboxFullError",
)
"""Errors that are counted with 0 before their first: a counter that begins with 1 has not grown for
Prometheus, so that an alert would miss it."""

_SCRAPE_S = 10.0
"""Prometheus waits as long for an answer by default."""


class Health:
    """Counts what happens. Safe to use from several threads.

    Args:
        stall_after_s: Seconds without a frame after which the camera counts as stalled.
        clock: Seconds that only grow; for measuring spans.
    """

    def __init__(
        self, *, stall_after_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stall_after_s = stall_after_s
        self._clock = clock
        self._turn = threading.Lock()
        self._recent: deque[tuple[float, float]] = deque()
        self._started = clock()
        self._last = self._started
        self._was_stalled = False
        self.registry = CollectorRegistry()
        self._frames = self._counter("frames_judged", "Frames judged")
        self._faces = self._counter("faces_judged", "Faces judged", "label")
        self._small = self._counter("faces_too_small", "Faces too small to be judged")
        self._verdicts = self._counter("verdicts", "Verdicts stored", "label")
        self._deliveries = self._counter("events_delivered", "Events that the cloud acknowledged")
        self._errors = self._counter("errors", "Errors by name", "error")
        for name in _FROM_THE_START:
            self._errors.labels(name)
        self._latency = Histogram(
            "maskgate_edge_latency_seconds",
            "From a frame's reading to its labels",
            registry=self.registry,
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"maskgate_edge_{name}", text, labels, registry=self.registry)

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Add a metric whose value is asked for when it is read."""
        Gauge(f"maskgate_edge_{name}", text, registry=self.registry).set_function(value)

    def count_frame(self, frame: Frame, judgements: list[Judgement], too_small: int) -> None:
        """Count a frame."""
        now = self._clock()
        latency = max(0.0, now - frame.read_at)
        with self._turn:
            self._last = now
            self._recent.append((now, latency))
            self._trim(now)
        self._frames.inc()
        self._latency.observe(latency)
        self._small.inc(too_small)
        for judged in judgements:
            self._faces.labels(judged.label).inc()

    def count_verdict(self, verdict: Verdict) -> None:
        """Count a verdict."""
        self._verdicts.labels(verdict.label).inc()

    def count_delivery(self) -> None:
        """Count an acknowledged event."""
        self._deliveries.inc()

    def count_error(self, error: Exception | str) -> None:
        """Count an error under its name."""
        name = error if isinstance(error, str) else type(error).__name__
        self._errors.labels(name).inc()

    def _trim(self, now: float) -> None:
        while self._recent and now - self._recent[0][0] > _WINDOW_S:
            self._recent.popleft()

    @property
    def fps(self) -> float:
        """Frames judged per second, lately."""
        with self._turn:
            now = self._clock()
            self._trim(now)
            span = min(_WINDOW_S, now - self._started)
            return len(self._recent) / span if span > 0 else 0.0

    @property
    def latency_ms(self) -> float:
        """Median time from a frame's reading to its labels, lately; 0 without frames."""
        with self._turn:
            self._trim(self._clock())
            if not self._recent:
                return 0.0
            return statistics.median(latency for _, latency in self._recent) * 1000

    @property
    def stalled(self) -> bool:
        """Whether no frame was judged for too long."""
        with self._turn:
            return self._clock() - self._last > self._stall_after_s

    def camera_state(self, state: CameraState) -> CameraState:
        """What to report: a camera that says `live` and gives nothing is not live."""
        return CameraState.RECONNECTING if state is CameraState.LIVE and self.stalled else state

    def check_for_stall(self) -> None:
        """Look once: a stall is counted and logged when it begins and when it ends."""
        stalled = self.stalled
        if stalled and not self._was_stalled:
            self.count_error("CameraStalled")
            _log.error("camera_stalled", without_frame_s=self._stall_after_s)
        elif self._was_stalled and not stalled:
            _log.info("camera_resumed")
        self._was_stalled = stalled


class Watchdog:
    """Looks at a `Health` regularly, in a thread of its own.

    Args:
        health: What to look at.
        every_s: Seconds between looks.
    """

    def __init__(self, health: Health, every_s: float) -> None:
        self._health = health
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            self._health.check_for_stall()


def _impatient(handler: type[Any], patience_s: float) -> type[Any]:
    """Return the handler, which cuts a connection without a whole request after `patience_s`."""

    class Impatient(handler):  # type: ignore[misc]
        timeout = patience_s  # of each read, and of sending an answer, by socketserver

        def handle(self) -> None:
            self._late = threading.Timer(patience_s, self._cut)
            self._late.daemon = True
            self._late.start()
            try:
                with suppress(TimeoutError, ConnectionError):
                    super().handle()
            finally:
                self._late.cancel()

        def parse_request(self) -> bool:
            whole = bool(super().parse_request())
            self._late.cancel()
            return whole

        def _cut(self) -> None:
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    return Impatient


def serve_metrics(
    health: Health, host: str, port: int, scrape_s: float = _SCRAPE_S
) -> Callable[[], None]:
    """Serve the metrics for Prometheus.

    Args:
        health: What is served.
        host: Address to listen on.
        port: Port to listen on.
        scrape_s: Seconds after which a connection without a whole request ends.

    Returns:
        What ends it.

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
    server.RequestHandlerClass = _impatient(cast("type[Any]", server.RequestHandlerClass), scrape_s)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
