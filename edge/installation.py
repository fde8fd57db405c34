"""One edge installation, put together from its settings, and run."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from pydantic import SecretStr
from rich.console import Console

from cloud.contract import (
    CameraState,
    Decision,
    DeviceSettings,
    Event,
    GateSettings,
    Heartbeat,
    RolledKey,
)
from edge import __version__, gate_settings, identity, inference, sidecar
from edge.addresses import masked
from edge.attributes import GenderCount, GenderHead
from edge.camera import Camera
from edge.client import Client, is_plain_http_elsewhere
from edge.commands import Listener, Orders
from edge.courier import Courier
from edge.errors import EventRejectedError, ModelMissingError, OutboxFullError
from edge.faces import FaceDetector
from edge.health import Health, Watchdog, serve_metrics
from edge.manifest import MANIFEST, ModelFiles, Role, find
from edge.masks import MaskClassifier
from edge.outbox import Outbox
from edge.pipeline import Pipeline
from edge.preview import Preview
from edge.settings import MODELS_DIR, Attributes, Precision, Settings
from edge.sidecar import Sidecar
from edge.sighting import Rules, Sightings
from edge.signals import Bell, Screen, Signal, Signals, SoundCommand
from edge.sources import Source
from edge.values import Face, Frame, Judgement, Link, Verdict

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Models:
    """The models, ready to run; the gender head only where it was asked for."""

    detector: FaceDetector
    classifier: MaskClassifier
    gender: GenderHead | None = None

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 by role."""
        digests = {"detector": self.detector.digest, "classifier": self.classifier.digest}
        return digests | ({"gender": self.gender.digest} if self.gender else {})


def load_models(settings: Settings) -> Models:
    """Check and load what the settings name.

    Raises:
        ModelError: A model is missing, altered, or not what this software can run.
    """

    suits = inference.preferred_precision(settings.inference_device)

    def network(role: Role) -> inference.Network:
        named = {Role.DETECTOR: settings.detector, Role.CLASSIFIER: settings.classifier}
        path = named.get(role)
        files, own = _files(role, path, settings.precision, suits)
        return inference.load(
            files,
            sidecar=own,
            device=settings.inference_device,
            threads=settings.inference_threads,
            cache_dir=settings.model_cache_dir,
        )

    counted = settings.attributes is Attributes.GENDER
    return Models(
        FaceDetector(network(Role.DETECTOR)),
        MaskClassifier(network(Role.CLASSIFIER)),
        GenderHead(network(Role.GENDER)) if counted else None,
    )


def _files(
    role: Role, path: Path | None, precision: Precision, suits: Precision
) -> tuple[ModelFiles, Sidecar | None]:
    """The embedded model, or the one that a setting names with what stands beside it."""
    described = sidecar.beside(path) if path is not None else None
    if path is not None and described is not None:
        said = sidecar.read(described, role)
        return sidecar.files_of(path, role, said), said
    if path is not None and not (path.parent / MANIFEST).is_file():
        raise ModelMissingError(
            f"model {path} has neither a sidecar ({path.with_suffix('.json').name} or"
            f" {path.with_suffix('.toml').name}) nor a {MANIFEST} beside it",
            'Write one; docs/edge.md, "Bring your own model", shows how',
        )
    return find(role, MODELS_DIR, path, precision=precision, preferred=suits), None


class _Bus:
    """Brings what the parts say to those whom it concerns: health, signals, courier."""

    def __init__(self, health: Health, signals: Signals, outbox: Outbox) -> None:
        self._health = health
        self._signals = signals
        self._outbox = outbox
        self.on_stored: Callable[[], None] = lambda: None
        self.preview: Preview | None = None
        self.verdicts = 0
        self.rejections = 0
        self._held_back = False

    # pipeline.Observer

    def judged(self, frame: Frame, judgements: list[Judgement], too_small: int) -> None:
        self._health.judged(frame, judgements, too_small)

    @property
    def watching(self) -> bool:
        return self.preview is not None and self.preview.wanted

    def seen(self, frame: Frame, faces: list[Face], judgements: list[Judgement]) -> None:
        if self.preview is not None:
            self.preview.offer(frame, faces, judgements)

    @property
    def disk_full(self) -> bool:
        return self._held_back

    def stored(self, verdict: Verdict, event: Event) -> None:
        self._held_back = False
        self.verdicts += 1
        self._health.settled(verdict)
        self._signals.verdict(verdict)
        _log.info(
            "event_stored",
            event_id=str(event.id),
            label=str(event.label),
            confidence=round(event.confidence, 3),
            votes=event.votes,
            sighting=verdict.sighting,
        )
        self.on_stored()

    def held_back(self, error: OutboxFullError) -> None:
        # Once for each full disk, not once for each frame.
        if not self._held_back:
            self._held_back = True
            self._health.failed(error)
            _log.error("verdict_not_stored", error=str(error))

    # courier.Correspondent

    def answered(self, decision: Decision) -> None:
        self._health.delivered()
        self._signals.answer(decision)

    def rejected(self, error: EventRejectedError) -> None:
        self.rejections += 1
        self._health.failed(error)
        _log.error("event_rejected", error=str(error))

    def link_changed(self, link: Link, problem: str) -> None:
        if link is not Link.ONLINE:
            self._health.failed(f"Link_{link}")
            _log.warning("cloud_lost", link=str(link), error=problem)
        else:
            _log.info("cloud_found")
        self._signals.link(link, self._outbox.depth())


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run ended in.

    Attributes:
        verdicts: Stored in this run.
        undelivered: Events that still wait in the outbox.
        rejected: Events that the cloud will never accept, moved aside in this run.
        stopped: Whether somebody stopped it, rather than its source ending.
    """

    verdicts: int
    undelivered: int
    rejected: int
    stopped: bool


def run(
    settings: Settings, console: Console, *, on_camera: Callable[[Camera], None] = lambda _: None
) -> Outcome:
    """Judge and deliver until the source ends, or somebody stops the camera.

    Args:
        settings: Of this installation.
        console: Where the screen's lines go, unless the log is all that is written.
        on_camera: Is given the camera, so that a signal handler can stop it.

    Raises:
        EdgeError: Whatever keeps it from starting, or ends it early.
    """
    who = identity.load(settings.device_path)
    source = _source(settings)
    models = load_models(settings)
    models.classifier.make_ready()
    count = GenderCount(models.gender) if models.gender else None
    cloud = settings.cloud_address(who.cloud_url)
    if is_plain_http_elsewhere(cloud):
        _log.warning("key_unencrypted", cloud=masked(cloud), mend="Use an https:// address")
    with ExitStack() as ends:
        outbox = ends.enter_context(Outbox(settings.outbox_path))
        health = Health(stall_after_s=settings.stall_after_s)
        bus = _Bus(health, Signals(_signals(settings, console)), outbox)
        camera = Camera(
            source, pace=settings.pace, folder_fps=settings.folder_fps, loop=settings.loop
        )
        client = ends.enter_context(
            Client(cloud, key=who.device_key, timeout_s=settings.request_timeout_s)
        )

        def vitals() -> Heartbeat:
            return Heartbeat(
                sent_at=datetime.now(UTC),
                camera=health.camera_state(camera.state),
                finished=camera.finished,
                fps=health.fps,
                latency_ms=health.latency_ms,
                outbox_depth=outbox.depth(),
                models=models.digests,
                version=__version__,
                problems=_problems(settings, health.camera_state(camera.state), bus),
                attributes=count.counts() if count else {},
            )

        courier = Courier(
            outbox,
            client,
            bus,
            vitals,
            heartbeat_s=settings.heartbeat_s,
            camera=lambda: health.camera_state(camera.state),
        )
        bus.on_stored = courier.wake
        _gauges(health, outbox, camera, courier)
        if settings.metrics_port is not None:
            ends.callback(serve_metrics(health, settings.metrics_host, settings.metrics_port))
        watchdog = Watchdog(health, settings.stall_after_s / 4)
        pipeline = Pipeline(
            camera=camera,
            detector=models.detector,
            classifier=models.classifier,
            sightings=Sightings(rules_of(settings, certain=models.detector.certain)),
            outbox=outbox,
            observer=bus,
            max_faces=settings.max_faces,
            on_verdict=count.settled if count else lambda _frame, _verdict: None,
        )
        preview = Preview(client, settings.preview)
        bus.preview = preview

        def apply(told: DeviceSettings) -> None:
            rules = rules_of(settings, told.settings, certain=models.detector.certain)
            most = told.settings.max_faces
            pipeline.change(rules, settings.max_faces if most is None else most)
            _log.info("settings_applied", revision=told.revision)

        if kept := gate_settings.load(settings.gate_settings_path, who.gate):
            apply(kept)
        orders = _orders(settings, who, apply, preview.ask, camera.stop)
        listener = Listener(client, orders)
        _say_what_is_watched(settings, console, who.gate, source)
        courier.start()
        ends.callback(courier.stop)
        watchdog.start()
        ends.callback(watchdog.stop)
        preview.start()
        ends.callback(preview.stop)
        listener.start()
        ends.callback(listener.stop)
        on_camera(camera)
        with camera:
            pipeline.run()
            stopped = camera.stopped
        # Whoever stops a camera wants to be done; what waits is safe.
        patience = min(settings.drain_timeout_s, 5.0) if stopped else settings.drain_timeout_s
        undelivered = courier.drain(patience)
        return Outcome(bus.verdicts, undelivered, bus.rejections, stopped)


def _say_what_is_watched(settings: Settings, console: Console, gate: str, source: Source) -> None:
    if settings.log_json:
        _log.info("watching", gate=gate, source=str(source), version=__version__)
    else:
        console.print(f"gate [bold]{gate}[/], watching {source}; Ctrl-C ends", highlight=False)


def _source(settings: Settings) -> Source:
    source = Source.parse(settings.source.get_secret_value())
    if source.advice:
        _log.warning("camera_address_not_encoded", source=str(source), mend=source.advice)
    return source


def _gauges(health: Health, outbox: Outbox, camera: Camera, courier: Courier) -> None:
    health.gauge("outbox_depth", "Events that wait", outbox.depth)
    health.gauge("frames_dropped", "Frames read and never judged", lambda: camera.dropped)
    health.gauge("camera_stalled", "1 without frames for too long", lambda: health.stalled)
    health.gauge("online", "1 when the cloud answers", lambda: courier.link is Link.ONLINE)


def _problems(settings: Settings, camera: CameraState, bus: _Bus) -> list[str]:
    found = {
        "disk_full": bus.disk_full,
        "camera_lost": camera is CameraState.RECONNECTING,
        "model_differs": settings.detector is not None or settings.classifier is not None,
    }
    return [name for name, is_so in found.items() if is_so]


def _orders(
    settings: Settings,
    who: identity.Identity,
    apply: Callable[[DeviceSettings], None],
    preview: Callable[[], None],
    reload: Callable[[], None],
) -> Orders:
    def take_up(told: DeviceSettings) -> None:
        apply(told)
        gate_settings.keep(told, settings.gate_settings_path)

    def keep_key(rolled: RolledKey) -> None:
        renewed = who.model_copy(update={"device_key": SecretStr(rolled.device_key)})
        identity.save(renewed, settings.device_path)

    return Orders(take_up, keep_key, preview, reload)


def rules_of(
    settings: Settings, told: GateSettings | None = None, *, certain: float = 0.0
) -> Rules:
    """The rules of the vote: as the gate is set to, else as this device's own settings say.

    Args:
        settings: Of this installation.
        told: Of the gate.
        certain: Of the detector.
    """
    told = told or GateSettings()
    return Rules(
        votes=settings.votes if told.votes is None else told.votes,
        majority=settings.majority if told.majority is None else told.majority,
        cooldown_s=settings.cooldown_s if told.cooldown_s is None else told.cooldown_s,
        lost_after_s=settings.lost_after_s if told.lost_after_s is None else told.lost_after_s,
        certain=certain,
    )


def _signals(settings: Settings, console: Console) -> list[Signal]:
    signals: list[Signal] = [] if settings.log_json else [Screen(console)]
    if settings.sound and not settings.log_json:
        signals.append(Bell(console))
    if settings.sound_command is not None:
        signals.append(SoundCommand(settings.sound_command))
    return signals
