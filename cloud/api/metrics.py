"""What Prometheus reads, in the units and suffixes of its naming practices."""

from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from cloud.contract import Decision, Event, Outcome, Redemption


class Metrics:
    """The counters of one app."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._events = Counter(
            "maskgate_events",
            "Events accepted, each once",
            ["access", "label"],
            registry=self.registry,
        )
        self._redemptions = Counter(
            "maskgate_redemptions", "Attempts to enter", ["outcome"], registry=self.registry
        )
        for outcome in Outcome:  # with 0, so that the first of each is growth for Prometheus
            self._redemptions.labels(outcome.value)
        self._requests = Histogram(
            "maskgate_http_request_duration_seconds",
            "Time from a request's arrival to the end of its answer",
            ["method", "route", "status"],
            buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self.registry,
        )
        self._admitted_wrongly = Counter(
            "maskgate_offline_admissions_wrong",
            "Bearers whom a door admitted while the cloud was away and should not have admitted, "
            "by the outcome that they would have had",
            ["outcome"],
            registry=self.registry,
        )
        # A counter that began with 1 would show Prometheus no increase.
        for outcome in Outcome:
            if outcome is not Outcome.ADMITTED:
                self._admitted_wrongly.labels(outcome.value)
        self._ended = Counter(
            "maskgate_http_connections_ended",
            "Connections ended for what their clients did or left undone, by reason",
            ["reason"],
            registry=self.registry,
        )
        self._listeners = Gauge(
            "maskgate_stream_listeners", "Who listen to the event stream", registry=self.registry
        )
        self._sent_away = Counter(
            "maskgate_stream_closed",
            "Listeners sent away, by reason",
            ["reason"],
            registry=self.registry,
        )
        self._store_up = Gauge(
            "maskgate_store_up", "1 if Redis answers, 0 if not", registry=self.registry
        )
        self._queue_depth = Gauge(
            "maskgate_queue_depth", "Jobs that wait for a worker", registry=self.registry
        )

        # Looking a child up by its labels takes longer than counting in it.
        self._request = lru_cache(maxsize=4096)(self._requests.labels)
        self._event = lru_cache(maxsize=64)(self._events.labels)

        self._queue_age = Gauge(
            "maskgate_queue_oldest_job_seconds",
            "How long the job at the head of the queue has waited; 0 with none",
            registry=self.registry,
        )

    def accepted(self, event: Event, decision: Decision) -> None:
        """Count an event that was not there before."""
        self._event(decision.access, event.label).inc()

    def attempted(self, redemption: Redemption) -> None:
        """Count an attempt to enter."""
        self._redemptions.labels(redemption.outcome.value).inc()

    def admitted_wrongly(self, redemption: Redemption) -> None:
        """Count a bearer whom a door admitted without the cloud, and should not have admitted."""
        self._admitted_wrongly.labels(redemption.outcome.value).inc()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request by the pattern of its route, never by its address."""
        self._request(method, route, status).observe(seconds)

    def ended(self, reason: str) -> None:
        """Count a connection that was ended for what its client did or left undone."""
        self._ended.labels(reason).inc()

    def listens(self, listeners: int) -> None:
        """Say how many listen to the event stream."""
        self._listeners.set(listeners)

    def stopped_listening(self, reason: str) -> None:
        """Count a listener that was sent away."""
        self._sent_away.labels(reason).inc()

    def page(self, queue: tuple[int, float] | None) -> bytes:
        """Return the text that Prometheus scrapes.

        `queue` is the number of jobs that wait and the oldest's age in seconds; None with the
        store away.
        """
        depth, age_s = (float("nan"), float("nan")) if queue is None else queue
        self._store_up.set(0 if queue is None else 1)
        self._queue_depth.set(depth)
        self._queue_age.set(age_s)
        return generate_latest(self.registry)
