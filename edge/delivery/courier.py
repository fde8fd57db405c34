"""The courier: delivers the outbox to the API in order, and sends heartbeats."""

import math
import threading
import time
from collections.abc import Callable, Hashable
from typing import Protocol

import structlog
import tenacity

from cloud.contract import Decision, Heartbeat
from edge.delivery.client import Client
from edge.delivery.key_renewal import KeyRenewal
from edge.delivery.outbox import Outbox, QueuedEvent
from edge.errors import (
    CloudError,
    CloudUnreachableError,
    EventRejectedError,
    KeyRefusedError,
)
from edge.values import ConnectionState

_log = structlog.get_logger(__name__)

STATE_CHANGE_S = 0.5
"""Seconds at most between a change of the device's state and the heartbeat that reports it."""

STOP_S = 2.0
"""Seconds at most that `stop` waits for the cloud's last answers."""

_MAX_RETRY_AFTER_S = 300.0
"""Longest wait that the cloud may ask for (`Retry-After`): a mistake in the cloud must not silence
a door for hours."""


class DeliveryObserver(Protocol):
    """Gets notice of what the cloud answers."""

    def event_acknowledged(self, decision: Decision) -> None:
        """The cloud has acknowledged an event."""

    def event_rejected(self, error: EventRejectedError) -> None:
        """The cloud will never accept an event; the courier has moved the event aside."""

    def connection_changed(self, state: ConnectionState, problem: str) -> None:
        """The cloud was lost, was found again, or refuses this device's key."""

    def failed(self, error: Exception) -> None:
        """A thread of the courier met an error that nobody foresaw, and goes on."""


class Courier:
    """Delivers events in one thread, and sends heartbeats in another.

    An event leaves the outbox only when the cloud has acknowledged or rejected it.

    Args:
        outbox: Holds the events to deliver.
        client: With the device's key.
        observer: Gets notice of what the cloud answers.
        make_heartbeat: Makes the next heartbeat.
        heartbeat_s: Seconds between heartbeats.
        state: Returns the part of a heartbeat whose change is reported within STATE_CHANGE_S: the
            camera's state, the device's problems. None sends the regular heartbeats alone.
        renewal: Waits for a new key where the cloud refuses this device's; None ends the threads.
        pause_s: First and longest pause between attempts while the cloud is away, in seconds. Each
            pause is random between 0 and a bound that doubles (exponential backoff with full
            jitter), so that the devices of a fleet do not all return at once.
    """

    def __init__(
        self,
        outbox: Outbox,
        client: Client,
        observer: DeliveryObserver,
        make_heartbeat: Callable[[], Heartbeat],
        *,
        heartbeat_s: float = 15.0,
        state: Callable[[], Hashable] | None = None,
        renewal: KeyRenewal | None = None,
        pause_s: tuple[float, float] = (1.0, 60.0),
    ) -> None:
        self._outbox = outbox
        self._client = client
        self._observer = observer
        self._make_heartbeat = make_heartbeat
        self._heartbeat_s = heartbeat_s
        self._state = state
        self._renewal = renewal
        self._pause_s = pause_s
        self._is_abandoned = False
        self._pauses = tenacity.wait_random_exponential(multiplier=pause_s[0] * 2, max=pause_s[1])
        self._connection = ConnectionState.ONLINE
        self._heartbeat_taken_at = math.nan
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._progress = threading.Condition()
        self._threads = (
            threading.Thread(target=self._deliver_all, name="courier", daemon=True),
            threading.Thread(target=self._send_heartbeats, name="heartbeat", daemon=True),
        )

    @property
    def heartbeat_age_s(self) -> float:
        """Seconds since the cloud took a heartbeat; NaN if it took none yet."""
        return time.monotonic() - self._heartbeat_taken_at

    @property
    def connection(self) -> ConnectionState:
        """The state of the connection to the cloud, by the last attempt."""
        return self._connection

    def start(self) -> None:
        """Start both threads. Events that wait from an earlier run are delivered first."""
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Deliver a new event in the outbox now."""
        self._wake.set()

    def drain(self, timeout_s: float) -> int:
        """Wait until the outbox is empty, or nothing more can be delivered.

        Args:
            timeout_s: Longest wait in seconds.

        Returns:
            How many events still wait.
        """
        deadline = time.monotonic() + timeout_s
        with self._progress:
            while (
                (depth := self._outbox.depth())
                and self._connection is not ConnectionState.KEY_REFUSED
                and self._threads[0].is_alive()
                and (left := deadline - time.monotonic()) > 0
            ):
                self._progress.wait(min(left, 1.0))
        return depth

    def stop(self) -> None:
        """Finish the request that is under way, send a last heartbeat, and end both threads.

        A cloud that does not answer within STOP_S is not waited for: the event of the request stays
        in the outbox, and the cloud knows by its id whether it has the event already.
        """
        self._stop.set()
        self._wake.set()
        deadline = time.monotonic() + STOP_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._is_abandoned = True

    def _deliver_all(self) -> None:
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(CloudUnreachableError),
            wait=self._pause,
            stop=tenacity.stop_when_event_set(self._stop),
            sleep=tenacity.sleep_using_event(self._stop),
            retry_error_callback=lambda _state: False,
        )
        while not self._stop.is_set():
            self._wake.clear()
            # `stop` may have been called just before `_wake` was cleared.
            if self._stop.is_set():
                return
            key = self._client.key
            try:
                if not attempts(self._deliver_one):
                    self._wake.wait()
            except KeyRefusedError as error:
                if not self._has_new_key(key, error):
                    return
            except Exception as error:  # noqa: BLE001 - told to the observer, never swallowed
                self._report_unforeseen(error)

    def _deliver_one(self) -> bool:
        """Deliver the oldest event.

        Returns:
            False if no event waits, or the courier is stopping; True otherwise.

        Raises:
            CloudUnreachableError: The cloud did not answer; the event still waits.
        """
        if self._stop.is_set():
            return False
        try:
            waiting = self._outbox.peek()
            if waiting is None:
                return False
            self._deliver(waiting)
        except CloudUnreachableError as error:
            self._set_connection(ConnectionState.OFFLINE, str(error))
            raise
        finally:
            with self._progress:
                self._progress.notify_all()
        return True

    def _deliver(self, waiting: QueuedEvent) -> None:
        try:
            decision = self._client.post_event(waiting.id, waiting.body)
            if self._is_abandoned:
                return
        except EventRejectedError as error:
            self._outbox.reject(waiting.id, str(error))
            _log.error("event_rejected", event_id=str(waiting.id), error=str(error))
            self._set_connection(ConnectionState.ONLINE, "")
            self._observer.event_rejected(error)
            return
        self._outbox.ack(waiting.id)
        _log.info(
            "event_acknowledged",
            event_id=str(waiting.id),
            access=decision.access.value,
            reason=str(decision.refusal.reason) if decision.refusal is not None else "",
        )
        self._set_connection(ConnectionState.ONLINE, "")
        self._observer.event_acknowledged(decision)

    def _pause(self, attempt: tenacity.RetryCallState) -> float:
        error = attempt.outcome.exception() if attempt.outcome is not None else None
        retry_after = error.retry_after_s if isinstance(error, CloudUnreachableError) else None
        return max(self._pauses(attempt), min(retry_after or 0.0, _MAX_RETRY_AFTER_S))

    def _send_heartbeats(self) -> None:
        while True:
            is_last = self._stop.is_set()
            reported = self._state() if self._state is not None else None
            key = self._client.key
            try:
                heartbeat = self._make_heartbeat()
                self._client.send_heartbeat(heartbeat)
                self._heartbeat_taken_at = time.monotonic()
            except KeyRefusedError as error:
                if not self._has_new_key(key, error):
                    return
                continue
            except CloudError as error:
                _log.debug("heartbeat_lost", error=str(error))
                self._set_connection(ConnectionState.OFFLINE, str(error))
            except Exception as error:  # noqa: BLE001 - told to the observer, never swallowed
                self._report_unforeseen(error)
            else:
                # While events wait, their delivery decides whether the cloud is online.
                if not heartbeat.outbox_depth:
                    self._set_connection(ConnectionState.ONLINE, "")
            if is_last:
                return
            self._wait_for_next_heartbeat(reported)

    def _wait_for_next_heartbeat(self, reported: Hashable) -> None:
        """Wait until a heartbeat is due, the device's state changes, or the courier stops."""
        due = time.monotonic() + self._heartbeat_s
        while (left := due - time.monotonic()) > 0:
            self._outbox.maintain()
            if self._stop.wait(min(left, STATE_CHANGE_S)):
                return
            if self._state is not None and self._state() != reported:
                return

    def _has_new_key(self, refused: str | None, error: KeyRefusedError) -> bool:
        """Report the refused key, and wait for another; return False if none comes."""
        if self._client.key == refused:
            self._set_connection(ConnectionState.KEY_REFUSED, str(error))
        if self._renewal is None or not self._renewal.wait(refused, self._stop):
            return False
        self._set_connection(
            ConnectionState.OFFLINE, "the new key was not tried yet", has_new_key=True
        )
        return True

    def _report_unforeseen(self, error: Exception) -> None:
        """Report an error that nobody foresaw, and wait: the thread must go on."""
        _log.critical("uncaught_error", thread=threading.current_thread().name, exc_info=error)
        self._observer.failed(error)
        self._stop.wait(self._pause_s[0])

    def _set_connection(
        self, state: ConnectionState, problem: str, *, has_new_key: bool = False
    ) -> None:
        with self._progress:
            # A request that another thread began earlier does not hide that the key is refused.
            is_held = self._connection is ConnectionState.KEY_REFUSED and not has_new_key
            changed = self._connection is not state and not is_held
            if changed:
                self._connection = state
                self._progress.notify_all()
        if changed:
            self._observer.connection_changed(state, problem)
