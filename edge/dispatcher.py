"""The dispatcher: passes what the pipeline and the courier report on to health, signals and log."""

from collections.abc import Callable

import structlog

from cloud.contract import Decision, Event
from edge.capture.picture_faults import PictureFault
from edge.delivery.outbox import Outbox
from edge.errors import EventRejectedError
from edge.health import Health
from edge.preview import Preview
from edge.signals import Signals
from edge.values import ConnectionState, Face, Frame, Judgement, Verdict

_log = structlog.get_logger(__name__)


class Dispatcher:
    """Observes the pipeline (`PipelineObserver`) and the courier (`DeliveryObserver`).

    Args:
        health: Counts frames, verdicts, deliveries and errors.
        signals: Show verdicts and decisions at the door.
        outbox: Says how many events wait.
        camera: The name of the camera whose pipeline is observed; empty where there is one.

    Attributes:
        on_stored: Is called after each verdict that was stored; wakes the courier.
        preview: Gets frames while somebody watches.
        verdicts: Stored in this run.
        rejections: Events that the cloud rejected for good in this run.
    """

    def __init__(self, health: Health, signals: Signals, outbox: Outbox, camera: str = "") -> None:
        self._health = health
        self._signals = signals
        self._outbox = outbox
        self._camera = camera
        self._named = {"camera": camera} if camera else {}
        self.on_stored: Callable[[], None] = lambda: None
        self.preview: Preview | None = None
        self.verdicts = 0
        self.rejections = 0

    # pipeline.PipelineObserver

    def frame_judged(self, frame: Frame, judgements: list[Judgement], too_small: int) -> None:
        """Count the frame and its faces."""
        self._health.count_frame(frame, judgements, too_small, self._camera)

    def frame_skipped(self) -> None:
        """Count the frame that shows nothing of the door."""
        self._health.count_dead_frame(self._camera)

    def picture_changed(self, fault: PictureFault | None) -> None:
        """Count, log and show that a fault of the picture began, or that the picture is well."""
        if fault is None:
            _log.info("picture_well", **self._named)
        else:
            self._health.count_error("PictureFault")
            judged = not fault.is_dead
            _log.error("picture_fault", fault=str(fault), judged=judged, **self._named)
        self._signals.on_picture_change(fault)

    @property
    def wants_preview(self) -> bool:
        """Whether somebody watches."""
        return self.preview is not None and self.preview.wanted

    def preview_ready(self, frame: Frame, faces: list[Face], judgements: list[Judgement]) -> None:
        """Offer the frame to the preview."""
        if self.preview is not None:
            self.preview.offer(frame, faces, judgements)

    def verdict_stored(self, verdict: Verdict, event: Event) -> None:
        """Count, show and log the verdict, and wake the courier."""
        self.verdicts += 1
        self._health.count_verdict(verdict)
        self._signals.on_verdict(verdict)
        _log.info(
            "event_stored",
            event_id=str(event.id),
            label=str(event.label),
            confidence=round(event.confidence, 3),
            votes=event.votes,
            sighting=verdict.sighting,
            **self._named,
        )
        self.on_stored()

    def still_suspected(self, track: int) -> None:
        """Count and log the picture, and ask for a movement at the door."""
        self._health.count_still(self._camera)
        _log.warning("still_picture_suspected", track=track, **self._named)
        self._signals.on_still_suspected()

    # courier.DeliveryObserver

    def event_acknowledged(self, decision: Decision) -> None:
        """Count the delivery, and show the decision."""
        self._health.count_delivery()
        self._signals.on_decision(decision)

    def event_rejected(self, error: EventRejectedError) -> None:
        """Count and log the rejection."""
        self.rejections += 1
        self._health.count_error(error)
        _log.error("event_rejected", error=str(error))

    def connection_changed(self, state: ConnectionState, problem: str) -> None:
        """Count, log and show that the cloud was lost or found."""
        if state is not ConnectionState.ONLINE:
            # Alerts look for this name of the error.
            self._health.count_error(f"Link_{state}")
            _log.warning("cloud_lost", link=str(state), error=problem)
        else:
            _log.info("cloud_found")
        self._signals.on_connection_change(state, self._outbox.depth())

    def failed(self, error: Exception) -> None:
        """Count the error; the courier has logged it."""
        self._health.count_error(error)
