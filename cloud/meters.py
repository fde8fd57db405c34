"""Metrics of processes without an API: worker, bot and scheduled backup.

They are served at CLOUD_METRICS_PORT, on CLOUD_HOST, where that is set.
"""

import functools
import math
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar, cast

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from cloud.contract import Channel, Delivery, DeliveryStatus
from cloud.errors import CannotStart
from cloud.settings import Settings

log = structlog.get_logger("cloud.meters")

SCRAPE_S: Final = 10.0
"""How long a scraper may take to send its request: as long as Prometheus waits for the answer."""

SCRAPES_AT_ONCE: Final = 32
"""Connections that may wait; beyond it the oldest is cut. A probe and Prometheus need one each."""

MEASURED_WITHIN_S: Final = 5.0
"""How long the metrics wait for the store. Prometheus waits 10 s for them, and a probe 12 s."""

R = TypeVar("R")

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

_JOBS = Counter(
    "maskgate_jobs",
    "Jobs run: done, later (put back for another time) or broke",
    ["job", "outcome"],
    registry=REGISTRY,
)
_DELIVERIES = Counter(
    "maskgate_deliveries", "Deliveries settled", ["channel", "status"], registry=REGISTRY
)
# Prometheus sees no increase in a counter that begins with 1, so an alert would miss the first
# failure after a start. Counters with alerts therefore begin with 0.
for _channel in Channel:
    for _status in (DeliveryStatus.SENT, DeliveryStatus.FAILED):
        _DELIVERIES.labels(_channel.value, _status.value)
_MAILS = Counter(
    "maskgate_mails",
    "Mails sent: about one delivery (alone), or summing up several (digest)",
    ["kind"],
    registry=REGISTRY,
)
_LATENCY = Histogram(
    "maskgate_delivery_latency_seconds",
    "From the event's acceptance to the message taken over by the other side",
    ["channel"],
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800),
    registry=REGISTRY,
)
_POSTPONED = Counter(
    "maskgate_deliveries_postponed",
    "Tries that the other side put off, or that failed and are tried again",
    ["channel"],
    registry=REGISTRY,
)
_LIMITER_WAIT = Histogram(
    "maskgate_limiter_wait_seconds",
    "Time that messages were told to wait by Telegram's limits; only those that had to",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60),
    registry=REGISTRY,
)
_HOLDS = Counter(
    "maskgate_telegram_holds",
    "Times that Telegram asked us to wait, and what was held for it: one chat, or the fleet",
    ["held"],
    registry=REGISTRY,
)

BACKUPS: Final = CollectorRegistry()
"""The registry of the process that makes scheduled backups."""

_BACKUP_LATE = Gauge(
    "maskgate_backup_late",
    "1 where the backup that was due is missing an hour later, else 0",
    registry=BACKUPS,
)
_BACKUP_LAST = Gauge(
    "maskgate_backup_last_success_timestamp_seconds",
    "When the newest backup was made, in seconds since 1970; 0 where there is none",
    registry=BACKUPS,
)

_BOT_UPDATES = Counter(
    "maskgate_bot_updates",
    "Updates of Telegram's: answered, or dropped because their sender sent too many",
    ["outcome"],
    registry=REGISTRY,
)
_BOT_POLLS_FAILED = Counter(
    "maskgate_bot_polls_failed",
    "Calls by which the bot listens to Telegram that failed and are made again",
    registry=REGISTRY,
)
_BOT_DEAF = Counter(
    "maskgate_bot_deaf",
    "How often the bot heard nothing from Telegram any more, and gave its place up",
    registry=REGISTRY,
)
_BOT_LEADS = Gauge(
    "maskgate_bot_leads", "1 while this bot answers, 0 while it stands by", registry=REGISTRY
)
_BOT_HEARD = Gauge(
    "maskgate_bot_last_heard_seconds",
    "Seconds since Telegram last answered the bot that answers; 0 where it stands by",
    registry=REGISTRY,
)


@dataclass(frozen=True, slots=True)
class StoreMeasures:
    """A worker's metrics of the store; _STORE_METRICS describes each of them."""

    queue_depth: float
    queue_oldest_job_seconds: float
    telegram_held_chats: float
    telegram_fleet_hold_seconds: float
    subscribers_suspended: float


_STORE_METRICS: Final = {
    "queue_depth": "Jobs that wait for a worker",
    "queue_oldest_job_seconds": "How long the job at the head of the queue has waited; 0 with none",
    "telegram_held_chats": "Chats that Telegram asks us to wait for",
    "telegram_fleet_hold_seconds": "For how much longer nothing is sent to Telegram at all; "
    "0 where nothing holds the fleet",
    "subscribers_suspended": "Subscribers that are sent nothing because they refused it for good",
}
_UNAVAILABLE: Final = StoreMeasures(*[math.nan] * 5)


class _Store(Collector):
    """Asks the store once at each scrape, so that a store that hangs delays a scrape once."""

    measure: Callable[[], StoreMeasures | None] | None = None

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics; without values in a process that measures no store."""
        said = None if self.measure is None else self.measure() or _UNAVAILABLE
        for name, text in _STORE_METRICS.items():
            family = GaugeMetricFamily(f"maskgate_{name}", text)
            if said is not None:
                family.add_metric([], getattr(said, name))
            yield family


_STORE: Final = _Store()
REGISTRY.register(_STORE)


def counted(job: Callable[[str], R]) -> Callable[[str], R]:
    """Count the outcomes of a job. A job that returns a value is run again."""
    for outcome in ("done", "later", "broke"):
        _JOBS.labels(job.__name__, outcome)

    @functools.wraps(job)
    def run(argument: str) -> R:
        try:
            again = job(argument)
        except Exception:
            _JOBS.labels(job.__name__, "broke").inc()
            raise
        _JOBS.labels(job.__name__, "done" if again is None else "later").inc()
        return again

    return run


def settled(delivery: Delivery, status: DeliveryStatus, now: datetime) -> None:
    """Count a settled delivery, and its latency if it was sent."""
    _DELIVERIES.labels(delivery.channel.value, status.value).inc()
    if status is DeliveryStatus.SENT:
        took = (now - delivery.created_at).total_seconds()
        _LATENCY.labels(delivery.channel.value).observe(max(took, 0))


def mailed(deliveries: Sequence[Delivery], now: datetime) -> None:
    """Count a mail that was sent, and its deliveries."""
    _MAILS.labels("alone" if len(deliveries) == 1 else "digest").inc()
    for delivery in deliveries:
        settled(delivery, DeliveryStatus.SENT, now)


def postponed(delivery: Delivery) -> None:
    """Count a delivery that is tried again."""
    _POSTPONED.labels(delivery.channel.value).inc()


def waited(seconds: float) -> None:
    """Observe the wait of a message that the limiter held back."""
    _LIMITER_WAIT.observe(seconds)


def held(*, fleet: bool) -> None:
    """Count a hold of a chat or of the fleet."""
    _HOLDS.labels("fleet" if fleet else "chat").inc()


def watch_store(measure: Callable[[], StoreMeasures | None]) -> None:
    """Call `measure` once at each scrape. None, for a store that is away, makes each value NaN."""
    _STORE.measure = measure


def update_answered() -> None:
    """Count an update that the bot has handled."""
    _BOT_UPDATES.labels("answered").inc()


def update_dropped() -> None:
    """Count an update of a sender who sent too many."""
    _BOT_UPDATES.labels("dropped").inc()


def poll_failed() -> None:
    """Count a failed call for updates."""
    _BOT_POLLS_FAILED.inc()


def deaf() -> None:
    """Count a bot that released its lease because Telegram was silent."""
    _BOT_DEAF.inc()


def watch_bot(age_s: Callable[[], float] | None) -> None:
    """Call `age_s` at each scrape for the seconds since Telegram's last answer; None: standby."""
    _BOT_LEADS.set(age_s is not None)
    _BOT_HEARD.set_function(age_s if age_s is not None else lambda: 0.0)


def _with_deadline(handler: type[Any], deadline_s: float) -> type[Any]:
    """Return a subclass of the handler that cuts the connections of slow or hostile clients.

    A connection without a whole request after `deadline_s` is cut, even if bytes keep coming. Where
    more than SCRAPES_AT_ONCE connections wait, the oldest of them is cut.

    Args:
        handler: the request handler.
        deadline_s: seconds.

    Returns:
        The subclass.
    """
    waiting: deque[Any] = deque()
    turn = threading.Lock()

    class DeadlineHandler(handler):  # type: ignore[misc]
        timeout = deadline_s  # of each read, and of sending an answer, by socketserver

        def handle(self) -> None:
            self._late = threading.Timer(deadline_s, self.cut)
            self._late.daemon = True
            self._late.start()
            with turn:
                waiting.append(self)
                longest = waiting.popleft() if len(waiting) > SCRAPES_AT_ONCE else None
            if longest is not None:
                longest.cut()
            try:
                with suppress(TimeoutError, ConnectionError):
                    super().handle()
            finally:
                self._stop_waiting()

        def parse_request(self) -> bool:
            whole = bool(super().parse_request())
            self._stop_waiting()
            return whole

        def cut(self) -> None:
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        def _stop_waiting(self) -> None:
            self._late.cancel()
            with turn, suppress(ValueError):
                waiting.remove(self)

    return DeadlineHandler


def watch_backups(late: Callable[[], bool], last_success_s: Callable[[], float]) -> None:
    """Call these at each scrape of the process that makes backups."""
    _BACKUP_LATE.set_function(lambda: float(late()))
    _BACKUP_LAST.set_function(last_success_s)


def serve(
    settings: Settings, scrape_s: float = SCRAPE_S, registry: CollectorRegistry = REGISTRY
) -> Callable[[], None]:
    """Serve the metrics of this process, if a port is set.

    Args:
        settings: name the host and the port.
        scrape_s: after so many seconds without a whole request, a connection is cut.
        registry: of the metrics.

    Returns:
        A function that stops the server.

    Raises:
        CannotStart: the port is taken; each process on a machine needs one of its own.
    """
    if settings.metrics_port is None:
        return lambda: None
    try:
        server, thread = start_http_server(settings.metrics_port, settings.host, registry)
    except OSError as error:
        raise CannotStart(
            f"CLOUD_METRICS_PORT {settings.metrics_port} cannot be listened on: {error}; each "
            "process on one machine needs a port of its own"
        ) from error
    server.RequestHandlerClass = _with_deadline(
        cast("type[Any]", server.RequestHandlerClass), scrape_s
    )
    log.info("metrics_served", port=server.server_port)

    def end() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return end
