"""One edge installation: assembled from its settings, and run until its source ends."""

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog
from pydantic import SecretStr
from rich.console import Console

from cloud.contract import CameraState, DeviceSettings, GateSettings, Heartbeat, RolledKey
from edge import __version__, board, gate_settings, identity, loaded_models
from edge.attributes import GenderCounter
from edge.capture.camera import Camera
from edge.capture.picture_faults import PictureFault, PictureWatch
from edge.capture.sources import Source, SourceKind
from edge.commands import CommandHandlers, CommandPoller
from edge.delivery.client import Client, is_plain_http_elsewhere
from edge.delivery.courier import Courier
from edge.delivery.key_renewal import KeyRenewal
from edge.delivery.outbox import Outbox, OutboxLimits
from edge.delivery.writer import OutboxWriter
from edge.dispatcher import Dispatcher
from edge.errors import EdgeError, SourceUnreadableError
from edge.health import Health, serve_metrics
from edge.liveness import Liveness
from edge.loaded_models import LoadedModels, make_updater, model_problems
from edge.lossy_output import LossyOutput
from edge.manifest import Role
from edge.model_updates.installed import InstalledModels
from edge.model_updates.updater import ModelUpdater
from edge.pipeline import Pipeline
from edge.preview import Preview
from edge.redaction.addresses import redacted
from edge.settings import Settings
from edge.signals import ConsoleDisplay, Signal, Signals, SoundCommand, TerminalBell
from edge.stages import Stage, Stages
from edge.stills.check import StillsCheck
from edge.tracking.sightings import SightingTracker
from edge.tracking.votes import VotingRules
from edge.values import ConnectionState, Frame
from edge.watchdog import Watchdog

_log = structlog.get_logger(__name__)

_DRAIN_AFTER_STOP_S = 1.5
"""Seconds at most to deliver events after somebody stopped the run: whoever stops it wants to be
done, and an event that waits is safe in the outbox."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a run.

    Attributes:
        verdicts: Stored in this run.
        undelivered: Events that still wait in the outbox.
        rejected: Events that the cloud will never accept; this run moved them aside.
        stopped: Whether somebody stopped the run; False if its source ended.
        hangs: Whether a read of the camera was abandoned, because it did not return.
    """

    verdicts: int
    undelivered: int
    rejected: int
    stopped: bool
    hangs: bool = False


def run(
    settings: Settings,
    console: Console,
    *,
    on_camera: Callable[[Camera], None] = lambda _: None,
    stages: Stages | None = None,
) -> Outcome:
    """Judge and deliver until the source ends, or somebody stops the camera.

    Args:
        settings: Of this installation.
        console: Gets the lines of the display, unless the log is JSON.
        on_camera: Is called with the camera, so that a signal handler can stop it.
        stages: Get notice of each call that may hang.

    Returns:
        What the run stored, delivered and left in the outbox.

    Raises:
        EdgeError: The run cannot start, or ends early.
    """
    who = identity.load(settings.device_path)
    source = _source(settings)
    installed = InstalledModels.begun(settings.installed_models_dir)
    models = _models(settings, installed)
    genders = GenderCounter(models.gender) if models.gender else None
    cloud = _cloud(settings, who)
    with ExitStack() as cleanup:
        stages = stages if stages is not None else Stages()
        health = Health()
        outbox = cleanup.enter_context(_outbox(settings, health))
        writer = cleanup.enter_context(OutboxWriter(outbox, stages))
        dispatcher = Dispatcher(health, Signals(_signals(settings, console)), outbox)
        camera = Camera(
            source,
            pace=settings.pace,
            folder_fps=settings.folder_fps,
            loop=settings.loop,
            stages=stages,
            rotate=settings.rotate,
        )
        watchdog = Watchdog(
            camera,
            stages,
            health,
            stall_after_s=settings.stall_after_s,
            exit_after_s=settings.hang_exit_s,
        )
        client = cleanup.enter_context(
            Client(cloud, key=who.device_key, timeout_s=settings.request_timeout_s)
        )

        pictures = PictureWatch(dispatcher.picture_changed, live=source.kind.live)

        def problems() -> tuple[str, ...]:
            of_models = model_problems(models, updater)
            return of_models + _problems(settings, outbox, watchdog, pictures, pipeline)

        def make_heartbeat() -> Heartbeat:
            return Heartbeat(
                sent_at=datetime.now(UTC),
                camera=watchdog.camera_state,
                finished=camera.finished,
                fps=health.fps,
                latency_ms=health.latency_ms,
                outbox_depth=outbox.depth(),
                models=models.digests,
                inference_precisions=models.precisions,
                version=__version__,
                problems=list(problems()),
                attributes=genders.counts() if genders else {},
                model_update=updater.report,
            )

        renewal = KeyRenewal(client, lambda: _key_of_new_enrolment(settings, who))
        courier = Courier(
            outbox,
            client,
            dispatcher,
            make_heartbeat,
            heartbeat_s=settings.heartbeat_s,
            state=lambda: (watchdog.camera_state, problems()),
            renewal=renewal,
        )
        dispatcher.on_stored = courier.wake
        _add_gauges(health, outbox, camera, courier, watchdog)
        _add_state_gauges(health, stages, pictures, models)
        cleanup.callback(_served(settings, health))
        pipeline = Pipeline(
            camera=camera,
            detector=models.detector,
            classifier=models.classifier,
            sightings=SightingTracker(
                voting_rules(settings, certain_threshold=models.detector.certain_threshold)
            ),
            writer=writer,
            observer=dispatcher,
            max_faces=settings.max_faces,
            stills=StillsCheck(settings.stills),
            on_verdict=genders.count_verdict if genders else lambda _frame, _verdict: None,
            stages=stages,
            is_dead=_dead_frames(source, pictures),
        )
        preview = dispatcher.preview = Preview(client, settings.preview)

        def apply(received: DeviceSettings) -> None:
            certain, most = models.detector.certain_threshold, received.settings.max_faces
            rules = voting_rules(settings, received.settings, certain_threshold=certain)
            pipeline.configure(rules, settings.max_faces if most is None else most)
            _log.info("settings_applied", revision=received.revision)

        def apply_kept() -> None:
            if kept := gate_settings.load(settings.gate_settings_path, who.gate):
                apply(kept)

        apply_kept()
        # Another detector has another threshold, so the settings are applied again.
        updater = make_updater(settings, installed, models, client, apply_kept)
        commands = CommandPoller(
            client,
            _command_handlers(settings, apply, preview.request, camera.stop, updater),
            renewal=renewal,
        )
        _announce_source(settings, console, who.gate, source)
        liveness = Liveness(
            settings.heartbeat_file,
            lambda: watchdog.stuck,
            lambda: f"camera {watchdog.camera_state}, {outbox.depth()} events wait",
        )
        for part in (courier, watchdog, preview, commands, liveness, updater):
            part.start()
            cleanup.callback(part.stop)
        on_camera(camera)
        with camera:
            pipeline.run()
            stopped = camera.stopped
        installed.end()
        _refuse_dead_source(camera, pictures)
        undelivered = courier.drain(_drain_s(settings, stopped=stopped))
        return Outcome(
            dispatcher.verdicts, undelivered, dispatcher.rejections, stopped, camera.hangs
        )


def _drain_s(settings: Settings, *, stopped: bool) -> float:
    limit_s = _DRAIN_AFTER_STOP_S if stopped else settings.drain_timeout_s
    return min(settings.drain_timeout_s, limit_s)


def _announce_source(settings: Settings, console: Console, gate: str, source: Source) -> None:
    if settings.log_json:
        _log.info("watching", gate=gate, source=str(source), version=__version__)
    else:
        console.print(f"gate [bold]{gate}[/], watching {source}; Ctrl-C ends", highlight=False)


def _cloud(settings: Settings, who: identity.Identity) -> str:
    cloud = settings.cloud_address(who.cloud_url)
    if is_plain_http_elsewhere(cloud):
        _log.warning("key_unencrypted", cloud=redacted(cloud), mend="Use an https:// address")
    return cloud


def _outbox(settings: Settings, health: Health) -> Outbox:
    limits = OutboxLimits(settings.outbox_max_mb << 20, settings.outbox_max_age_days * 86_400.0)
    return Outbox(settings.outbox_path, limits=limits, on_error=health.count_error)


def _models(settings: Settings, installed: InstalledModels) -> LoadedModels:
    models = loaded_models.replaceable(loaded_models.load(settings, installed, mirror=False))
    models.make_ready()
    for role, reason in models.fallbacks.items():
        _log.error("installed_model_unusable", role=role, error=reason)
    _log.info("models_ready", precisions=models.precisions, device=settings.inference_device)
    for label in models.classifier.untested_labels:
        _log.warning("model_untested_label", label=label, mend="Train with pictures of every label")
    return models


def _source(settings: Settings) -> Source:
    source = Source.parse(settings.source.get_secret_value())
    if source.advice:
        _log.warning("camera_address_not_encoded", source=str(source), mend=source.advice)
    return source


def _dead_frames(source: Source, pictures: PictureWatch) -> Callable[[Frame], bool]:
    """Return a function that says which frames must not be judged."""
    if source.kind is SourceKind.PICTURES:
        # Each picture of a folder is a scene of its own.
        return lambda _frame: False
    return lambda frame: pictures.is_dead(frame.image, frame.time_s)


def _refuse_dead_source(camera: Camera, pictures: PictureWatch) -> None:
    """Raise an error if a file was played to its end, and showed nothing.

    Raises:
        SourceUnreadableError: All of its pictures are black or of one colour.
    """
    if camera.finished and pictures.seen and pictures.dead == pictures.seen:
        raise SourceUnreadableError(
            f"source {camera.source} holds no picture that shows anything: all of its"
            f" {pictures.seen} pictures are black or of one colour",
            "Play it in a video player; `ffmpeg -i FILE -vf yadif OUT.mp4` makes interlaced"
            " video progressive",
        )


def _served(settings: Settings, health: Health) -> Callable[[], None]:
    """Serve the metrics where the settings ask for it; return a function that stops that."""
    if settings.metrics_port is None:
        return lambda: None
    return serve_metrics(health, settings.metrics_host, settings.metrics_port)


def _add_gauges(
    health: Health,
    outbox: Outbox,
    camera: Camera,
    courier: Courier,
    watchdog: Watchdog,
) -> None:
    health.gauge("outbox_depth", "Events that wait in the outbox", outbox.depth)
    health.gauge("lines_lost", "Lines of log and display lost", lambda: LossyOutput.lost)
    health.gauge("outbox_in_memory", "Events that wait in memory alone", lambda: outbox.in_memory)
    health.gauge("frames_dropped", "Frames read and never judged", lambda: camera.dropped)
    health.gauge("camera_stalled", "1 while the camera is stalled", lambda: watchdog.stalled)
    health.gauge("camera_silent_seconds", "Seconds without a new picture", lambda: camera.silent_s)
    if board.temperature_c() is not None:
        health.gauge(
            "temperature_celsius",
            "Temperature of the processor",
            lambda: board.temperature_c() or math.nan,
        )
    online = ConnectionState.ONLINE
    health.gauge("online", "1 while the cloud answers", lambda: courier.connection is online)


def _add_state_gauges(
    health: Health, stages: Stages, pictures: PictureWatch, models: LoadedModels
) -> None:
    text = "Precision in which a model is computed"
    for role, precision in models.precisions.items():
        health.gauge("inference_info", text, lambda: 1, role=role, precision=precision)
    for fault in PictureFault:
        health.gauge(
            "picture_fault",
            "1 while the picture has this fault",
            partial(lambda each: pictures.fault is each, fault),
            fault=fault,
        )
    for stage in Stage:
        health.gauge(
            "stage_busy_seconds",
            "Seconds that the present call of a stage has lasted; 0 while it is idle",
            partial(stages.busy_s, stage),
            stage=stage,
        )


def _problems(
    settings: Settings,
    outbox: Outbox,
    watchdog: Watchdog,
    pictures: PictureWatch,
    pipeline: Pipeline,
) -> tuple[str, ...]:
    """Return the names of the problems that the device has now, for its heartbeat."""
    found = {
        "still_picture_suspected": pipeline.still_in_view,
        "camera_lost": watchdog.camera_state is CameraState.RECONNECTING,
        "model_differs": settings.detector is not None or settings.classifier is not None,
    }
    stuck = [f"{stage}_stuck" for stage in watchdog.stuck]
    faults = [] if pictures.fault is None else [str(pictures.fault)]
    return (
        *outbox.problems,
        *board.problems(),
        *(name for name, is_so in found.items() if is_so),
        *stuck,
        *faults,
    )


def _key_of_new_enrolment(settings: Settings, who: identity.Identity) -> str | None:
    """Return the key in `device.json`; None if it is of another gate or cloud than this run's."""
    try:
        now = identity.load(settings.device_path)
    except EdgeError:
        return None
    if (now.gate, now.cloud_url) != (who.gate, who.cloud_url):
        _log.warning("enrolled_elsewhere", gate=now.gate, mend="Restart the edge")
        return None
    return now.device_key.get_secret_value()


def _command_handlers(
    settings: Settings,
    apply: Callable[[DeviceSettings], None],
    start_preview: Callable[[], None],
    end_run: Callable[[], None],
    updater: ModelUpdater,
) -> CommandHandlers:
    def apply_and_save(received: DeviceSettings) -> None:
        apply(received)
        gate_settings.save(received, settings.gate_settings_path)

    def save_key(rolled: RolledKey) -> None:
        # The device may have been enrolled again since the start.
        now = identity.load(settings.device_path)
        renewed = now.model_copy(update={"device_key": SecretStr(rolled.device_key)})
        identity.save(renewed, settings.device_path)

    return CommandHandlers(
        apply_and_save,
        save_key,
        start_preview,
        end_run,
        update_model=updater.request,
        roll_back_model=lambda role: updater.roll_back(Role(role)),
    )


def voting_rules(
    settings: Settings,
    of_gate: GateSettings | None = None,
    *,
    certain_threshold: float = 0.0,
) -> VotingRules:
    """Return the rules of the vote: the gate's settings win over this device's own.

    Args:
        settings: Of this installation.
        of_gate: As the cloud sent them; a field that is None leaves the device's own setting.
        certain_threshold: Of the detector, 0…1.

    Returns:
        The rules for the tracker.
    """
    of_gate = of_gate or GateSettings()
    return VotingRules(
        votes=settings.votes if of_gate.votes is None else of_gate.votes,
        majority=settings.majority if of_gate.majority is None else of_gate.majority,
        cooldown_s=settings.cooldown_s if of_gate.cooldown_s is None else of_gate.cooldown_s,
        lost_after_s=(
            settings.lost_after_s if of_gate.lost_after_s is None else of_gate.lost_after_s
        ),
        certain_threshold=certain_threshold,
    )


def _signals(settings: Settings, console: Console) -> list[Signal]:
    signals: list[Signal] = [] if settings.log_json else [ConsoleDisplay(console)]
    if settings.sound and not settings.log_json:
        signals.append(TerminalBell(console))
    if settings.sound_command is not None:
        signals.append(SoundCommand(settings.sound_command))
    return signals
