"""One edge installation: assembled from its settings, and run until its source ends."""

import math
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import structlog
from pydantic import SecretStr
from rich.console import Console

from cloud.contract import DeviceProblem, DeviceSettings, GateSettings, Heartbeat, RolledKey
from edge import __version__, board, cameras, gate_settings, identity, loaded_models
from edge.attributes import GenderCounter
from edge.cameras import CameraPipeline, Cameras, SharedParts
from edge.capture.sources import Source
from edge.commands import CommandHandlers, CommandPoller
from edge.delivery.client import Client, is_plain_http_elsewhere
from edge.delivery.courier import Courier
from edge.delivery.device_log import send_last_lines
from edge.delivery.key_renewal import KeyRenewal
from edge.delivery.outbox import Outbox, OutboxLimits
from edge.delivery.writer import OutboxWriter
from edge.errors import EdgeError
from edge.health import Health, serve_metrics, worst
from edge.liveness import Liveness
from edge.loaded_models import LoadedModels, make_updater, model_problems
from edge.lossy_output import LossyOutput
from edge.manifest import Role
from edge.model_updates.installed import InstalledModels
from edge.model_updates.updater import ModelUpdater
from edge.preview import Preview
from edge.redaction.addresses import redacted
from edge.settings import Settings
from edge.signals import ConsoleDisplay, Signal, Signals, SoundCommand, TerminalBell
from edge.stages import Stage, Stages
from edge.tracking.votes import VotingRules
from edge.values import ConnectionState
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
    on_camera: Callable[[Cameras], None] = lambda _: None,
    stages: Stages | None = None,
) -> Outcome:
    """Judge and deliver until all sources end, or somebody stops the cameras.

    Args:
        settings: Of this installation.
        console: Gets the lines of the display, unless the log is JSON.
        on_camera: Is called with the cameras, so that a signal handler can stop them.
        stages: Get notice of each call that may hang.

    Returns:
        What the run stored, delivered and left in the outbox.

    Raises:
        EdgeError: The run cannot start, or ends early.
    """
    who = identity.load(settings.device_path)
    sources = cameras.sources(settings)
    installed = InstalledModels.begun(settings.installed_models_dir)
    models = _models(settings, installed)
    genders = GenderCounter(models.gender) if models.gender else None
    cloud = _cloud(settings, who)
    with ExitStack() as cleanup:
        stages = stages if stages is not None else Stages()
        health = Health(list(sources))
        outbox = cleanup.enter_context(_outbox(settings, health))
        shared = SharedParts(
            models=models,
            health=health,
            signals=Signals(_signals(settings, console)),
            outbox=outbox,
            writer=cleanup.enter_context(OutboxWriter(outbox, stages)),
            stages=stages,
            rules=voting_rules(settings, certain_threshold=models.detector.certain_threshold),
            on_verdict=genders.count_verdict if genders else lambda _frame, _verdict: None,
        )
        watched = Cameras(
            [CameraPipeline(name, source, settings, shared) for name, source in sources.items()]
        )
        watchdog = Watchdog(
            watched.by_name,
            stages,
            health,
            stall_after_s=settings.stall_after_s,
            exit_after_s=settings.hang_exit_s,
        )
        client = cleanup.enter_context(
            Client(cloud, key=who.device_key, timeout_s=settings.request_timeout_s)
        )

        def problems() -> tuple[DeviceProblem, ...]:
            of_models = model_problems(models, updater)
            return of_models + _problems(settings, outbox, watchdog, watched)

        def make_heartbeat() -> Heartbeat:
            return Heartbeat(
                sent_at=datetime.now(UTC),
                camera=watchdog.camera_state,
                finished=watched.finished,
                fps=health.fps,
                latency_ms=health.latency_ms,
                outbox_depth=outbox.depth(),
                models=models.digests,
                inference_precisions=models.precisions,
                version=__version__,
                problems=list(worst(problems())),
                attributes=genders.counts() if genders else {},
                model_update=updater.report,
                cameras=watched.reports(watchdog, health),
            )

        renewal = KeyRenewal(client, lambda: _key_of_new_enrolment(settings, who))
        first = watched.all[0].dispatcher
        courier = Courier(
            outbox,
            client,
            first,
            make_heartbeat,
            heartbeat_s=settings.heartbeat_s,
            state=lambda: (watched.states(watchdog), problems()),
            renewal=renewal,
        )
        for each in watched.all:
            each.dispatcher.on_stored = courier.wake
        _add_gauges(health, outbox, courier, stages)
        for each in watched.all:
            each.add_gauges(health, watchdog)
        _add_model_gauges(health, models)
        cleanup.callback(_served(settings, health))
        # Whoever watches the gate sees the camera of EDGE_SOURCE.
        preview = first.preview = Preview(client, settings.preview)

        def apply(received: DeviceSettings) -> None:
            certain, most = models.detector.certain_threshold, received.settings.max_faces
            rules = voting_rules(settings, received.settings, certain_threshold=certain)
            watched.configure(rules, settings.max_faces if most is None else most)
            _log.info("settings_applied", revision=received.revision)

        def apply_kept() -> None:
            if kept := gate_settings.load(settings.gate_settings_path, who.gate):
                apply(kept)

        apply_kept()
        # Another detector has another threshold, so the settings are applied again.
        updater = make_updater(settings, installed, models, client, apply_kept)
        health.report_problems(DeviceProblem, problems)
        commands = CommandPoller(
            client,
            _command_handlers(
                settings, apply, preview.request, watched.stop, updater, client=client
            ),
            renewal=renewal,
        )
        _announce_sources(settings, console, who.gate, sources)
        liveness = Liveness(
            settings.heartbeat_file,
            lambda: watchdog.stuck,
            lambda: f"camera {watchdog.camera_state}, {outbox.depth()} events wait",
        )
        for part in (courier, watchdog, preview, commands, liveness, updater):
            part.start()
            cleanup.callback(part.stop)
        on_camera(watched)
        watched.run()
        installed.end()
        undelivered = courier.drain(_drain_s(settings, stopped=watched.stopped))
        return Outcome(
            sum(each.dispatcher.verdicts for each in watched.all),
            undelivered,
            first.rejections,
            watched.stopped,
            watched.hangs,
        )


def _drain_s(settings: Settings, *, stopped: bool) -> float:
    limit_s = _DRAIN_AFTER_STOP_S if stopped else settings.drain_timeout_s
    return min(settings.drain_timeout_s, limit_s)


def _announce_sources(
    settings: Settings, console: Console, gate: str, sources: Mapping[str, Source]
) -> None:
    first = next(iter(sources.values()))
    named = {name: str(source) for name, source in sources.items() if name}
    if settings.log_json:
        extra = {"cameras": named} if named else {}
        _log.info("watching", gate=gate, source=str(first), version=__version__, **extra)
    else:
        words = ", ".join(f"{name} ({source})" for name, source in named.items()) or str(first)
        console.print(f"gate [bold]{gate}[/], watching {words}; Ctrl-C ends", highlight=False)


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


def _served(settings: Settings, health: Health) -> Callable[[], None]:
    """Serve the metrics where the settings ask for it; return a function that stops that."""
    if settings.metrics_port is None:
        return lambda: None
    return serve_metrics(health, settings.metrics_host, settings.metrics_port)


def _add_gauges(health: Health, outbox: Outbox, courier: Courier, stages: Stages) -> None:
    health.gauge("outbox_depth", "Events that wait in the outbox", outbox.depth)
    health.gauge("lines_lost", "Lines of log and display lost", lambda: LossyOutput.lost)
    health.gauge("outbox_in_memory", "Events that wait in memory alone", lambda: outbox.in_memory)
    if board.temperature_c() is not None:
        health.gauge(
            "temperature_celsius",
            "Temperature of the processor",
            lambda: board.temperature_c() or math.nan,
        )
    online = ConnectionState.ONLINE
    health.gauge("online", "1 while the cloud answers", lambda: courier.connection is online)
    text = "Seconds since the cloud took a heartbeat"
    health.gauge("heartbeat_age_seconds", text, lambda: courier.heartbeat_age_s)
    for stage in Stage:
        health.gauge(
            "stage_busy_seconds",
            "Seconds that the longest present call of a stage has lasted; 0 while it is idle",
            partial(stages.busy_s, stage),
            stage=stage,
        )


def _add_model_gauges(health: Health, models: LoadedModels) -> None:
    text = "Precision in which a model is computed"
    for role, precision in models.precisions.items():
        health.gauge("inference_info", text, lambda: 1, role=role, precision=precision)


def _problems(
    settings: Settings, outbox: Outbox, watchdog: Watchdog, watched: Cameras
) -> tuple[DeviceProblem, ...]:
    """Return the names of the problems that the device has now, for its heartbeat."""
    is_own = settings.detector is not None or settings.classifier is not None
    found = [
        *outbox.problems,
        *board.problems(),
        *([DeviceProblem.MODEL_DIFFERS] if is_own else []),
        *(DeviceProblem(f"{stage}_stuck") for stage in watchdog.stuck),
        *(name for each in watched.all for name in watched.problems_of(each, watchdog)),
    ]
    return tuple(dict.fromkeys(found))


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
    *,
    client: Client,
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
        send_log=partial(send_last_lines, client),
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
