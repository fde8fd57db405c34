"""The command `bench`: measures the edge on this machine, each figure against another.

Machines differ, and so do the hours on one machine. So the two sides of a comparison take turns in
one process, and their ratio is the result to rely on.
"""

import itertools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from cloud.contract import Event
from edge.capture.camera import Camera
from edge.capture.sources import Source, SourceKind
from edge.delivery.outbox import Outbox
from edge.delivery.writer import OutboxWriter
from edge.errors import EdgeError, SourceEmptyError
from edge.health import Health
from edge.loaded_models import LoadedModels
from edge.pipeline import Pipeline
from edge.settings import Pace
from edge.tracking.sightings import SightingTracker
from edge.tracking.votes import VotingRules
from edge.values import Face, Frame, Image, Judgement, Verdict

SLOW_SOURCE_S = 0.030
"""Seconds between two frames of the slow source: a camera of about 33 frames/s."""

MOST_RATIO = 1.05
"""Largest credible ratio of the models' processor time to that of the whole pipeline. The pipeline
does all that the models do and more, so a larger ratio says that the machine was disturbed."""

MOST_OVERLAP = 2.1
"""The same for frames per second: the pipeline runs detector and classifier at the same time, and
the models alone run one after the other."""

_ENDLESS_VOTE = VotingRules(votes=1_000_000)
"""Nobody gets a verdict, so each face is judged in each frame, as by the models alone. At a door,
people with a verdict are judged less often (`edge/tracking/turns.py`)."""

_ROUNDS = 4
_TRIES = 3
_KEPT_FRAMES = 60


@dataclass(frozen=True, slots=True)
class Row:
    """One figure beside another.

    Attributes:
        value: The figure.
        unit: Of the figure.
        against: The other figure, with its name.
        ratio: The figure divided by the other figure.
        processor_ms: Milliseconds of processor time for a frame, over all threads. On a machine
            with other load it says more than frames per second.
        processor_ratio: The other figure's processor time divided by this one's; above 1 is better.
        precision: In which the device computed, such as `f32`.
    """

    value: float
    unit: str
    against: str
    ratio: float
    processor_ms: float = 0.0
    processor_ratio: float = 0.0
    precision: str = ""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast one side of a comparison is.

    Attributes:
        frames_s: Frames per second.
        processor_ms: Milliseconds of processor time for a frame, over all threads.
    """

    frames_s: float
    processor_ms: float


def load_frames(path: Path | None) -> list[Image]:
    """Load the first pictures of a source into memory, so that no disk is measured.

    Args:
        path: A video or a folder of pictures; None for a drawn picture of an empty room.

    Returns:
        Pictures of one size.

    Raises:
        SourceEmptyError: The source holds no frame.
        SourceError: The source cannot be read.
    """
    if path is None:
        noise = np.random.default_rng(0)
        room = noise.integers(90, 160, (480, 640, 3), dtype=np.uint8)
        return [np.asarray(cv2.GaussianBlur(room, (0, 0), 3), dtype=np.uint8)]
    capture = Source.parse(str(path)).open()
    try:
        frames: list[Image] = []
        while len(frames) < _KEPT_FRAMES and (image := capture.read()) is not None:
            frames.append(image)
    finally:
        capture.close()
    if not frames:
        raise SourceEmptyError(f"{path} holds no frame")
    return [image for image in frames if image.shape == frames[0].shape]


def measure(models: LoadedModels, frames: list[Image], seconds: float) -> dict[str, Row]:
    """Measure all figures.

    Args:
        models: Loaded.
        frames: Of one size.
        seconds: How long each figure is measured.

    Returns:
        The rows by their names.

    Raises:
        EdgeError: A model failed.
    """
    height, width = frames[0].shape[:2]
    models.detector.expect(height, width)
    judge = _judge_with(models)
    for image in frames[:3]:
        judge(image)
    for _ in range(_TRIES):
        alone, whole = _in_turns(
            lambda span: _sequentially(_Replay(frames, span), judge),
            lambda span: _through_pipeline(_Replay(frames, span), models),
            seconds,
        )
        if _is_credible(_row(whole, "edge_models_alone", alone)):
            break
    fast_one, fast_two = _in_turns(
        lambda span: _sequentially(_Replay(frames, span), judge),
        lambda span: _concurrently(_Replay(frames, span), judge),
        seconds,
    )
    slow_one, slow_two = _in_turns(
        lambda span: _sequentially(_Replay(frames, span, SLOW_SOURCE_S), judge),
        lambda span: _concurrently(_Replay(frames, span, SLOW_SOURCE_S), judge),
        seconds,
    )
    rows = {
        "edge_models_alone": _row(alone, "edge_pipeline", whole),
        "edge_pipeline": _row(whole, "edge_models_alone", alone),
        "edge_capture_concurrent_fast_source": _row(fast_two, "sequential capture", fast_one),
        "edge_capture_concurrent_slow_source": _row(slow_two, "sequential capture", slow_one),
    }
    precision = "+".join(sorted(set(models.precisions.values())))
    return {name: replace(row, precision=precision) for name, row in rows.items()}


def warning(rows: dict[str, Row]) -> str:
    """Say which figure cannot be; empty if all can."""
    row = rows["edge_pipeline"]
    if _is_credible(row):
        return ""
    return (
        f"The whole pipeline seems {row.ratio:.2f} times as fast as the models alone, and"
        f" {row.processor_ratio:.2f} times as fast by processor time, which is impossible, in each"
        f" of {_TRIES} tries: other programs disturb this machine. Stop them, and measure again,"
        " with more --seconds."
    )


def _is_credible(pipeline: Row) -> bool:
    """Return whether the pipeline can be as fast beside the models alone as this row says."""
    return pipeline.processor_ratio <= MOST_RATIO and pipeline.ratio <= MOST_OVERLAP


def conclusion(rows: dict[str, Row]) -> str:
    """Say in a sentence when a thread for capture is faster than one loop."""

    def comparison(ratio: float) -> str:
        if ratio > 1.05:
            return f"a thread for capture is faster, with {ratio:.2f} times the frames"
        if ratio < 0.95:
            return f"one loop is faster: a thread judges {ratio:.2f} times the frames"
        return f"a thread makes no difference ({ratio:.2f} times the frames)"

    fast = rows["edge_capture_concurrent_fast_source"].ratio
    slow = rows["edge_capture_concurrent_slow_source"].ratio
    return (
        f"If frames are available at once, {comparison(fast)}. If each frame takes"
        f" {SLOW_SOURCE_S * 1000:.0f} ms to arrive, as from a camera, {comparison(slow)}."
    )


def write(rows: dict[str, Row], path: Path) -> None:
    """Write the rows as JSON, atomically.

    Raises:
        EdgeError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            json.dump({name: asdict(row) for name, row in rows.items()}, file, indent=1)
        Path(file.name).chmod(0o644)
        Path(file.name).replace(path)
    except OSError as error:
        raise EdgeError(f"{path} cannot be written: {error.strerror}") from error


class _Replay:
    """Plays frames from memory again and again, for some seconds after the first."""

    fps: float | None = None
    length: int | None = None
    position_s: float | None = None

    def __init__(self, frames: list[Image], span_s: float, wait_s: float = 0.0) -> None:
        self._frames: Iterator[Image] = itertools.cycle(frames)
        self._span_s = span_s
        self._end: float | None = None
        self._wait_s = wait_s

    def read(self) -> Image | None:
        now = time.monotonic()
        if self._end is None:
            self._end = now + self._span_s
        elif now >= self._end:
            return None
        if self._wait_s:
            time.sleep(self._wait_s)
        return next(self._frames)

    def close(self) -> None:
        """Do nothing: no file is open."""


class CountingObserver:
    """Counts frames and verdicts as an installation does, and shows nothing."""

    def __init__(self) -> None:
        self.health = Health()
        self.frames = 0
        self.wants_preview = False

    def frame_skipped(self) -> None:
        """Do nothing: every frame is judged."""

    def preview_ready(self, frame: Frame, faces: list[Face], judgements: list[Judgement]) -> None:
        """Do nothing: nobody watches."""

    def frame_judged(self, frame: Frame, judgements: list[Judgement], too_small: int) -> None:
        """Count the frame and its faces."""
        self.frames += 1
        self.health.count_frame(frame, judgements, too_small)

    def verdict_stored(self, verdict: Verdict, _event: Event) -> None:
        """Count the verdict."""
        self.health.count_verdict(verdict)

    def still_suspected(self, track: int) -> None:
        """Ignore: nothing is shown."""


def _judge_with(models: LoadedModels) -> Callable[[Image], None]:
    def judge(image: Image) -> None:
        faces = models.detector.detect(image)
        judgeable = [face for face in faces if models.classifier.can_judge(face)]
        models.classifier.judge(image, judgeable[:4])

    return judge


def _sequentially(source: _Replay, judge: Callable[[Image], None]) -> int:
    """Read and judge in one loop; return the number of frames."""
    count = 0
    while (image := source.read()) is not None:
        judge(image)
        count += 1
    return count


def _concurrently(source: _Replay, judge: Callable[[Image], None]) -> int:
    """Read in a thread while frames are judged; return the number of frames."""
    count = 0
    with _camera(source) as camera:
        for frame in camera.frames():
            judge(frame.image)
            count += 1
    return count


def _through_pipeline(source: _Replay, models: LoadedModels) -> int:
    """Do all that happens at a door, with an outbox on the disk; return the number of frames."""
    with tempfile.TemporaryDirectory() as folder, Outbox(Path(folder) / "outbox.db") as outbox:
        observer = CountingObserver()
        with OutboxWriter(outbox) as writer, _camera(source) as camera:
            Pipeline(
                camera=camera,
                detector=models.detector,
                classifier=models.classifier,
                sightings=SightingTracker(_ENDLESS_VOTE),
                writer=writer,
                observer=observer,
                max_faces=4,
            ).run()
        return observer.frames


def _camera(source: _Replay) -> Camera:
    return Camera(
        Source(SourceKind.PICTURES, "memory"), pace=Pace.EVERY_FRAME, opener=lambda: source
    )


def _in_turns(
    one: Callable[[float], int], two: Callable[[float], int], seconds: float
) -> tuple[Speed, Speed]:
    """Measure two sides turn by turn, so that other load on the machine affects both alike.

    Args:
        one: Judges frames for a number of seconds, and returns how many frames.
        two: The other side.
        seconds: How long each side is measured.

    Returns:
        The medians of each side.
    """
    span = seconds / _ROUNDS
    pairs = [(_timed(one, span), _timed(two, span)) for _ in range(_ROUNDS)]
    return _median([a for a, _ in pairs]), _median([b for _, b in pairs])


def _timed(side: Callable[[float], int], span: float) -> Speed:
    begun, spent = time.perf_counter(), time.process_time()
    count = max(1, side(span))
    seconds, processor = time.perf_counter() - begun, time.process_time() - spent
    return Speed(count / seconds, processor / count * 1000)


def _median(speeds: list[Speed]) -> Speed:
    return Speed(
        statistics.median(speed.frames_s for speed in speeds),
        statistics.median(speed.processor_ms for speed in speeds),
    )


def _row(speed: Speed, against: str, other: Speed) -> Row:
    return Row(
        round(speed.frames_s, 2),
        "frames/s",
        f"{against}, {other.frames_s:.1f} frames/s",
        round(speed.frames_s / other.frames_s, 3),
        round(speed.processor_ms, 2),
        round(other.processor_ms / max(speed.processor_ms, 1e-6), 3),
    )
