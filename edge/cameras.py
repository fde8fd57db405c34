"""The cameras of a device: each with its own pipeline, and all with the same models and outbox.

One camera that is away or fails does not stop the others.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import structlog

from cloud.contract import CameraReport, CameraState, DeviceProblem
from edge.capture.camera import Camera
from edge.capture.picture_faults import PictureFault, PictureWatch
from edge.capture.sources import Source, SourceKind
from edge.delivery.outbox import Outbox
from edge.delivery.writer import OutboxWriter
from edge.dispatcher import Dispatcher
from edge.errors import SourceError, SourceUnreadableError
from edge.health import Health
from edge.loaded_models import LoadedModels
from edge.named_values import FIRST_CAMERA
from edge.pipeline import Pipeline
from edge.settings import Settings
from edge.signals import Signals
from edge.stages import Stages
from edge.stills.check import StillsCheck
from edge.tracking.sightings import SightingTracker
from edge.tracking.votes import VotingRules
from edge.values import Frame, Verdict
from edge.watchdog import Watchdog

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SharedParts:
    """What the cameras of a device share.

    Attributes:
        models: Judge the pictures of all cameras.
        health: Counts by camera.
        signals: Show the verdicts of all cameras.
        outbox: Says how many events wait.
        writer: Stores the events of all cameras.
        stages: Get notice of each call that may hang.
        rules: Of the vote.
        on_verdict: Is called with each verdict and its frame, before the verdict is stored.
    """

    models: LoadedModels
    health: Health
    signals: Signals
    outbox: Outbox
    writer: OutboxWriter
    stages: Stages
    rules: VotingRules
    on_verdict: Callable[[Frame, Verdict], None]


def sources(settings: Settings) -> dict[str, Source]:
    """Return the sources that the settings name, by camera.

    Returns:
        EDGE_SOURCE with an empty name; or, with EDGE_CAMERAS, all sources with their names.

    Raises:
        SourceError: A source does not exist, or has an unknown scheme.
    """
    further = settings.further_cameras
    found = {FIRST_CAMERA if further else "": settings.source.get_secret_value(), **further}
    parsed = {name: Source.parse(text, may_be_away=bool(further)) for name, text in found.items()}
    for source in parsed.values():
        if source.advice:
            _log.warning("camera_address_not_encoded", source=str(source), mend=source.advice)
    return parsed


class CameraPipeline:
    """One camera, with the parts that judge its pictures.

    Args:
        name: Of the camera; empty where the device has one.
        source: Of the pictures.
        settings: Of this installation.
        shared: By all cameras.

    Attributes:
        stopped: Whether somebody stopped the camera; False if its source ended.
    """

    def __init__(self, name: str, source: Source, settings: Settings, shared: SharedParts) -> None:
        self.name = name
        self.stopped = False
        self.dispatcher = Dispatcher(shared.health, shared.signals, shared.outbox, name)
        self.camera = Camera(
            source,
            pace=settings.pace,
            folder_fps=settings.folder_fps,
            loop=settings.loop,
            stages=shared.stages,
            rotate=settings.rotate,
            waits_at_start=bool(name),
        )
        self.pictures = PictureWatch(self.dispatcher.picture_changed, live=source.kind.live)
        self.pipeline = Pipeline(
            camera=self.camera,
            detector=shared.models.detector,
            classifier=shared.models.classifier,
            sightings=SightingTracker(shared.rules),
            writer=shared.writer,
            observer=self.dispatcher,
            max_faces=settings.max_faces,
            stills=StillsCheck(settings.stills),
            on_verdict=shared.on_verdict,
            region=settings.regions.get(name),
            camera_name=name,
            stages=shared.stages,
            is_dead=self._is_dead,
        )

    def run(self) -> None:
        """Judge until the source ends or the camera is stopped.

        Raises:
            SourceError: The source failed for good.
            SourceUnreadableError: None of the pictures shows anything.
            ModelUnfitError: A model failed.
        """
        with self.camera:
            self.pipeline.run()
            self.stopped = self.camera.stopped
        pictures = self.pictures
        if self.camera.finished and pictures.seen and pictures.dead == pictures.seen:
            raise SourceUnreadableError(
                f"source {self.camera.source} holds no picture that shows anything: all of its"
                f" {pictures.seen} pictures are black or of one colour",
                "Play it in a video player; `ffmpeg -i FILE -vf yadif OUT.mp4` makes interlaced"
                " video progressive",
            )

    def add_gauges(self, health: Health, watchdog: Watchdog) -> None:
        """Add the metrics of this camera; among several they have the label `camera`."""
        camera, pictures, name = self.camera, self.pictures, self.name
        labels = {"camera": name} if name else {}
        text = "Frames read and never judged"
        health.gauge("frames_dropped", text, lambda: camera.dropped, **labels)
        text = "1 while the camera is stalled"
        health.gauge("camera_stalled", text, lambda: watchdog.is_stalled(name), **labels)
        text = "Frames judged per second, over the last ten seconds"
        health.gauge("frames_per_second", text, partial(health.fps_of, name), **labels)
        text = "Seconds without a new picture"
        health.gauge("camera_silent_seconds", text, lambda: camera.silent_s, **labels)
        for fault in PictureFault:
            health.gauge(
                "picture_fault",
                "1 while the picture has this fault",
                partial(lambda each: pictures.fault is each, fault),
                fault=fault,
                **labels,
            )

    def _is_dead(self, frame: Frame) -> bool:
        """Return whether a frame must not be judged. Each picture of a folder is its own scene."""
        if self.camera.source.kind is SourceKind.PICTURES:
            return False
        return self.pictures.is_dead(frame.image, frame.time_s)


class Cameras:
    """Runs all cameras of a device, each in a thread of its own.

    Args:
        pipelines: Of the cameras; the first runs in the thread that calls `run`.
    """

    def __init__(self, pipelines: list[CameraPipeline]) -> None:
        self.all = pipelines
        self._failures: dict[str, Exception] = {}

    @property
    def by_name(self) -> Mapping[str, Camera]:
        """The cameras by their names."""
        return {each.name: each.camera for each in self.all}

    @property
    def finished(self) -> bool:
        """Whether every source was finite, and was read to its end."""
        return all(each.camera.finished for each in self.all)

    @property
    def stopped(self) -> bool:
        """Whether somebody stopped the cameras; False if their sources ended."""
        return any(each.stopped for each in self.all)

    @property
    def hangs(self) -> bool:
        """Whether a read is still under way, although the cameras were stopped."""
        return any(each.camera.hangs for each in self.all)

    def stop(self) -> None:
        """Stop all cameras. May be called from any thread."""
        for each in self.all:
            each.camera.stop()

    def configure(self, rules: VotingRules, max_faces: int) -> None:
        """Use other rules from the next frame on."""
        for each in self.all:
            each.pipeline.configure(rules, max_faces)

    def run(self) -> None:
        """Judge until every source has ended, or the cameras are stopped.

        Raises:
            SourceError: A source failed for good; the other cameras went on until their end.
            EdgeError: A part that all cameras share failed; all cameras were stopped.
        """
        first, *others = self.all
        threads = [
            threading.Thread(target=self._run, args=[each], name=f"pipeline-{each.name}")
            for each in others
        ]
        for thread in threads:
            thread.daemon = True
            thread.start()
        try:
            self._run(first)
            for thread in threads:
                thread.join()
        except BaseException:
            self.stop()
            raise
        failures = sorted(self._failures.values(), key=lambda e: isinstance(e, SourceError))
        if failures:
            raise failures[0]

    def _run(self, each: CameraPipeline) -> None:
        try:
            each.run()
        except SourceError as error:
            self._failures[each.name] = error
            if each.name:
                _log.error("camera_gone", camera=each.name, error=str(error), mend=error.mend)
        except Exception as error:  # noqa: BLE001 - not swallowed: `run` raises it
            self._failures[each.name] = error
            self.stop()

    def problems_of(self, each: CameraPipeline, watchdog: Watchdog) -> list[DeviceProblem]:
        """Return the names of what is wrong with a camera now."""
        is_lost = watchdog.state_of(each.name) is CameraState.RECONNECTING
        found = [
            (DeviceProblem.STILL_PICTURE_SUSPECTED, each.pipeline.still_in_view),
            (DeviceProblem.CAMERA_LOST, is_lost or each.name in self._failures),
        ]
        faults = [] if each.pictures.fault is None else [DeviceProblem(each.pictures.fault)]
        return [*(name for name, is_so in found if is_so), *faults]

    def states(
        self, watchdog: Watchdog
    ) -> tuple[tuple[CameraState, tuple[DeviceProblem, ...]], ...]:
        """Return the state and the problems of each camera, to notice changes."""
        return tuple(
            (watchdog.state_of(each.name), tuple(self.problems_of(each, watchdog)))
            for each in self.all
        )

    def reports(self, watchdog: Watchdog, health: Health) -> dict[str, CameraReport]:
        """Return the report of each camera for the heartbeat; empty if the device has one."""
        return {
            each.name: CameraReport(
                state=watchdog.state_of(each.name),
                fps=health.fps_of(each.name),
                latency_ms=health.latency_ms_of(each.name),
                finished=each.camera.finished,
                problems=list(self.problems_of(each, watchdog)),
            )
            for each in self.all
            if each.name
        }
