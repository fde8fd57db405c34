"""The state of the edge that runs on this machine, read from its metrics and its files."""

import math
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from edge import board, liveness
from edge.delivery.database import count_waiting
from edge.errors import EdgeError, OutboxError
from edge.settings import Settings

_PREFIX = "maskgate_edge_"
_TIMEOUT_S = 2.0
"""Seconds to wait for the page of metrics."""

OLD_S = 30.0
"""Age of a sign of life in seconds, from which the edge counts as stuck or gone. `alive` has the
same default."""

_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - these are replaced


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """The state of one camera.

    Attributes:
        name: `main` where the device has one camera.
        is_stalled: Whether pictures have stopped coming.
        frames_per_second: Frames judged, over the last ten seconds.
        silent_s: Seconds without a new picture.
        fault: Of the picture, such as `black`; empty if it has none.
    """

    name: str
    is_stalled: bool
    frames_per_second: float
    silent_s: float
    fault: str


@dataclass(frozen=True, slots=True)
class Status:
    """The state of the edge. What only metrics tell is None or empty where there are none.

    Attributes:
        sign_of_life_s: Seconds since EDGE_HEARTBEAT_FILE was written; None without the file.
        heartbeat_s: Seconds since the cloud took a heartbeat; None if it took none yet.
        is_online: Whether the cloud answers.
        waiting: Events that the cloud has not acknowledged; None if the outbox cannot be read.
        cameras: Of the device.
        busy_s: Seconds that the present call of each stage has lasted; 0 while it is idle.
        problems: Names of what is wrong now; None if they are not known.
        temperature_c: Of the processor in degrees Celsius; None on another kind of computer.
    """

    sign_of_life_s: float | None
    heartbeat_s: float | None
    is_online: bool | None
    waiting: int | None
    cameras: tuple[CameraStatus, ...]
    busy_s: dict[str, float]
    problems: tuple[str, ...] | None
    temperature_c: float | None

    @property
    def is_stuck(self) -> bool:
        """Whether the edge has stopped giving signs of life."""
        return self.sign_of_life_s is not None and self.sign_of_life_s > OLD_S


def read(settings: Settings) -> Status:
    """Read the state of the edge that runs here with the same settings.

    Args:
        settings: With the metrics port, or the heartbeat file, of the running edge.

    Returns:
        Its state.

    Raises:
        EdgeError: No edge runs here, or another program serves the metrics port.
    """
    age_s = None
    if settings.heartbeat_file is not None:
        with suppress(EdgeError):
            age_s = liveness.age_s(settings.heartbeat_file)
    samples = _samples(settings)
    if samples is None:
        _check_alive(settings, age_s)
        return Status(
            sign_of_life_s=age_s,
            heartbeat_s=None,
            is_online=None,
            waiting=_waiting(settings),
            cameras=(),
            busy_s={},
            problems=None,
            temperature_c=board.temperature_c(),
        )
    heartbeat_s = _value(samples, "heartbeat_age_seconds")
    return Status(
        sign_of_life_s=age_s,
        heartbeat_s=None if heartbeat_s is None or math.isnan(heartbeat_s) else heartbeat_s,
        is_online=_value(samples, "online") == 1,
        waiting=int(_value(samples, "outbox_depth") or 0),
        cameras=tuple(_cameras(samples)),
        busy_s={
            sample.labels["stage"]: sample.value for sample in _named(samples, "stage_busy_seconds")
        },
        problems=tuple(
            sample.labels["problem"] for sample in _named(samples, "problem") if sample.value
        ),
        temperature_c=board.temperature_c(),
    )


def _check_alive(settings: Settings, age_s: float | None) -> None:
    port, file = settings.metrics_port, settings.heartbeat_file
    if port is None and file is None:
        raise EdgeError(
            "nothing says whether an edge runs here: EDGE_METRICS_PORT and EDGE_HEARTBEAT_FILE are"
            " not set",
            "Set one of them for `run` and for `status`",
        )
    if age_s is None or age_s > OLD_S:
        found = [] if port is None else [f"port {port} does not answer"]
        if file is not None:
            age = "is not written" if age_s is None else f"is {age_s:.0f} s old"
            found.append(f"{file} {age}")
        raise EdgeError(
            f"no edge runs here: {', and '.join(found)}", "Start one: python -m edge run"
        )


def _samples(settings: Settings) -> list[Sample] | None:
    """Return the metrics; None if no port is set, or nothing answers there."""
    if settings.metrics_port is None:
        return None
    host = _ANY_ADDRESS.get(settings.metrics_host, settings.metrics_host)
    place = f"[{host}]" if ":" in host else host
    address = f"http://{place}:{settings.metrics_port}/metrics"
    # The page is on this machine: a proxy of the environment does not lead there.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(address, timeout=_TIMEOUT_S) as page:
            text = page.read().decode()
        families = list(text_string_to_metric_families(text))
    except OSError:
        return None
    except ValueError:
        families = []
    samples = [sample for family in families for sample in family.samples]
    if _value(samples, "online") is None:
        raise EdgeError(
            f"port {settings.metrics_port} serves no metrics of an edge",
            "Give `status` the EDGE_METRICS_PORT of `run`",
        )
    return samples


def _named(samples: list[Sample], name: str) -> Iterator[Sample]:
    return (sample for sample in samples if sample.name == _PREFIX + name)


def _value(samples: list[Sample], name: str) -> float | None:
    return next((sample.value for sample in _named(samples, name)), None)


def _cameras(samples: list[Sample]) -> Iterator[CameraStatus]:
    for silent in _named(samples, "camera_silent_seconds"):
        own = [
            sample
            for sample in samples
            if sample.labels.get("camera", "") == silent.labels.get("camera", "")
        ]
        yield CameraStatus(
            name=silent.labels.get("camera", "main"),
            is_stalled=_value(own, "camera_stalled") == 1,
            frames_per_second=_value(own, "frames_per_second") or 0.0,
            silent_s=silent.value,
            fault=next((s.labels["fault"] for s in _named(own, "picture_fault") if s.value), ""),
        )


def _waiting(settings: Settings) -> int | None:
    try:
        return count_waiting(settings.outbox_path)
    except OutboxError:
        return None
