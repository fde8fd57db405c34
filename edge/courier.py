"""Outbox → API, in order; and heartbeats. Forgets only what was acknowledged."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

import structlog
import tenacity

from cloud.contract import CameraState, Decision, Heartbeat
from edge.client import Client
from edge.errors import (
    CloudError,
    CloudUnreachableError,
    EventRejectedError,
    KeyRefusedError,
    OutboxError,
)
from edge.outbox import Outbox, Waiting
from edge.values import Link

_log = structlog.get_logger(__name__)

NEWS_S = 0.5
"""Seconds after which a heartbeat says that the camera's state has changed."""

_LONGEST_ASKED_S = 300.0
"""However long the cloud asks to wait, a mistake there must not silence a door for hours."""


class Correspondent(Protocol):
    """Who is told of what comes back from the cloud."""

    def answered(self, decision: Decision) -> None:
        """The cloud has acknowledged an event."""

    def rejected(self, error: EventRejectedError) -> None:
        """The cloud will never accept an event; it was moved aside."""

    def link_changed(self, link: Link, problem: str) -> None:
        """The cloud was lost, found again, or refuses this device's key."""


class Courier:
    """Empties the outbox, in a thread of its own.

    Args:
        outbox: What to empty.
        client: With the device's key.
        correspondent: Is told of what comes back.
        vitals: What a heartbeat says.
        heartbeat_s: Seconds between heartbeats.
        camera: How the camera is; when that changes, a heartbeat says so within NEWS_S.
        pause_s: First, and longest, pause between attempts while the cloud is away. Each pause is
            drawn between 0 and a bound that doubles, so that a fleet does not return in step.
    """

    def __init__(
        self,
        outbox: Outbox,
        client: Client,
        correspondent: Correspondent,
        vitals: Callable[[], Heartbeat],
        *,
        heartbeat_s: float = 15.0,
        camera: Callable[[], CameraState] | None = None,
        pause_s: tuple[float, float] = (1.0, 60.0),
    ) -> None:
        self._outbox = outbox
        self._client = client
        self._correspondent = correspondent
        self._vitals = vitals
        self._heartbeat_s = heartbeat_s
        self._camera = camera
        self._pauses = tenacity.wait_random_exponential(multiplier=pause_s[0] * 2, max=pause_s[1])
        self._link = Link.ONLINE
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._progress = threading.Condition()
        self._threads = (
            threading.Thread(target=self._deliver_all, name="courier", daemon=True),
            threading.Thread(target=self._beat, name="heartbeat", daemon=True),
        )

    @property
    def link(self) -> Link:
        """How things stand with the cloud, by the last attempt."""
        return self._link

    def start(self) -> None:
        """Begin; what waits from an earlier run goes first."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """There is something new in the outbox."""
        self._wake.set()

    def drain(self, timeout_s: float) -> int:
        """Wait until the outbox is empty, or delivery has no prospect.

        Returns:
            Events that still wait.
        """
        deadline = time.monotonic() + timeout_s
        with self._progress:
            while (
                (depth := self._outbox.depth())
                and self._link is not Link.KEY_REFUSED
                and self._threads[0].is_alive()
                and (left := deadline - time.monotonic()) > 0
            ):
                self._progress.wait(min(left, 1.0))
        return depth

    def stop(self) -> None:
        """Finish the request under way, send a last heartbeat, and end."""
        self._stop.set()
        self._wake.set()
        for thread in self._threads:
            thread.join()

    def _deliver_all(self) -> None:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type((CloudUnreachableError, OutboxError)),
            wait=self._pause,
            stop=tenacity.stop_when_event_set(self._stop),
            sleep=tenacity.sleep_using_event(self._stop),
            retry_error_callback=lambda _state: False,
        )
        while not self._stop.is_set():
            self._wake.clear()
            if self._stop.is_set():  # `stop` may have come just before the clearing
                return
            try:
                if not attempts(self._deliver_one):
                    self._wake.wait()
            except KeyRefusedError as error:
                self._set_link(Link.KEY_REFUSED, str(error))
                return

    def _deliver_one(self) -> bool:
        """Hand in the oldest event; False when none waits, or when stopped during a pause."""
        if self._stop.is_set():
            return False
        try:
            waiting = self._outbox.peek()
            if waiting is None:
                return False
            self._hand_in(waiting)
        except CloudUnreachableError as error:
            self._set_link(Link.OFFLINE, str(error))
            raise
        except OutboxError as error:
            _log.error("outbox_failed", error=str(error))
            raise
        finally:
            with self._progress:
                self._progress.notify_all()
        return True

    def _hand_in(self, waiting: Waiting) -> None:
        try:
            decision = self._client.post_event(waiting.id, waiting.body)
        except EventRejectedError as error:
            self._outbox.reject(waiting.id, str(error))
            _log.error("event_rejected", event_id=str(waiting.id), error=str(error))
            self._set_link(Link.ONLINE, "")
            self._correspondent.rejected(error)
            return
        self._outbox.ack(waiting.id)
        _log.info(
            "event_acknowledged",
            event_id=str(waiting.id),
            access=decision.access.value,
            reason=str(decision.refusal.reason) if decision.refusal is not None else "",
        )
        self._set_link(Link.ONLINE, "")
        self._correspondent.answered(decision)

    def _pause(self, attempt: tenacity.RetryCallState) -> float:
        error = attempt.outcome.exception() if attempt.outcome is not None else None
        asked = error.retry_after_s if isinstance(error, CloudUnreachableError) else None
        return max(self._pauses(attempt), min(asked or 0.0, _LONGEST_ASKED_S))

    def _beat(self) -> None:
        told: CameraState | None = None
        while True:
            over = self._stop.is_set()
            try:
                heartbeat = self._vitals()
                told = heartbeat.camera
                self._client.send_heartbeat(heartbeat)
            except KeyRefusedError as error:
                self._set_link(Link.KEY_REFUSED, str(error))
                return
            except CloudError as error:
                _log.debug("heartbeat_lost", error=str(error))
                self._set_link(Link.OFFLINE, str(error))
            except OutboxError as error:
                _log.error("outbox_failed", error=str(error))
            else:
                # While events wait, it is their delivery that says whether the cloud is there.
                if not heartbeat.outbox_depth:
                    self._set_link(Link.ONLINE, "")
            if over:
                return
            self._rest(told)

    def _rest(self, told: CameraState | None) -> None:
        """Wait for the next heartbeat's time, a change of the camera's state, or the end."""
        due = time.monotonic() + self._heartbeat_s
        while (left := due - time.monotonic()) > 0 and not self._stop.wait(min(left, NEWS_S)):
            if told and self._camera is not None and self._camera() is not told:
                return

    def _set_link(self, link: Link, problem: str) -> None:
        with self._progress:
            changed = link is not self._link and self._link is not Link.KEY_REFUSED
            if changed:
                self._link = link
                self._progress.notify_all()
        if changed:
            self._correspondent.link_changed(link, problem)
