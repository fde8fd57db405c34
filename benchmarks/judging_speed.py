"""The edge's pipeline beside a peer and beside its own models, with one, four and eight faces.

Each side decodes one video in a loop of its own. The sides take turns in one process, and the ratio
is that of their processor time, which other programs disturb least.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.peer import OpenCvSsd, PeerError
from benchmarks.rows import Row
from demo.clip import BUNDLED
from edge.bench import CountingObserver
from edge.capture.sources import Source, SourceKind
from edge.delivery.outbox import Outbox
from edge.delivery.writer import OutboxWriter
from edge.loaded_models import LoadedModels
from edge.pipeline import Pipeline
from edge.settings import Stills
from edge.stills.check import StillsCheck
from edge.tracking.sightings import SightingTracker
from edge.tracking.votes import VotingRules
from edge.values import Frame, Image

COUNTS = (1, 4, 8)
FPS = 15.0
"""Frames per second by the stamps on the frames; they are judged as fast as possible."""

MAX_FACES = 4
"""Faces that are judged in a frame: the default of EDGE_MAX_FACES."""

ROUNDS = 6
_FRAMES = 45
"""Frames of one turn: three seconds by their stamps, of which people take half a second to get a
verdict."""

_ENDLESS_VOTE = VotingRules(votes=1_000_000)
_EMPTY, _BARE, _MASKED = 84, 48, 132
"""Frames of the bundled clip: an empty room, and the person without and with a mask."""

_PERSON = (slice(30, 350), slice(170, 490))
_ROOM = 480, 640


@dataclass(frozen=True, slots=True)
class Cost:
    """Processor time of a frame in milliseconds, over all threads, of each round."""

    rounds: list[float]

    @property
    def median(self) -> float:
        """Of all rounds."""
        return statistics.median(self.rounds)


def crowd(count: int) -> list[Image]:
    """Draw a video in which people stand side by side, and sway a little.

    Args:
        count: How many people: up to eight.

    Returns:
        Frames of 640x480.
    """
    capture = cv2.VideoCapture(str(BUNDLED))
    clip = []
    while (read := capture.read())[0]:
        clip.append(np.asarray(read[1], np.uint8))
    capture.release()
    if count == 1:
        return [clip[_BARE + n % 24] for n in range(_FRAMES)]
    side = _ROOM[1] // 4
    people = [
        cv2.resize(clip[n][_PERSON], (side, side), interpolation=cv2.INTER_AREA)
        for n in (_BARE, _MASKED)
    ]
    frames = []
    for n in range(_FRAMES):
        frame = clip[_EMPTY].copy()
        for place in range(count):
            x, y = place % 4 * side, 60 + place // 4 * (side + 20)
            sway = round(2 * np.sin(0.7 * n + place))
            frame[y + sway : y + sway + side, x : x + side] = people[place % 2]
        frames.append(frame)
    return frames


class _Video:
    """Decodes a video again and again, and stamps its frames as a camera of 15 frames/s would."""

    source = Source(SourceKind.VIDEO, "bench")

    def __init__(self, path: Path, most: int) -> None:
        self._path, self._left, self._number = path, most, 0
        self._capture = cv2.VideoCapture(str(path))

    def read(self) -> Image | None:
        """Decode the next frame; None after the last."""
        if not self._left:
            self._capture.release()
            return None
        self._left -= 1
        found, image = self._capture.read()
        if not found:
            self._capture = cv2.VideoCapture(str(self._path))
            _, image = self._capture.read()
        return np.asarray(image, np.uint8)

    def frames(self) -> Iterator[Frame]:
        """Yield the frames that nobody took."""
        while (frame := self.take_newest()) is not None:
            yield frame

    def take_newest(self) -> Frame | None:
        """Decode the next frame and stamp it; None after the last."""
        image = self.read()
        if image is None:
            return None
        at_s = self._number / FPS
        self._number += 1
        stamp = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=at_s)
        return Frame(image, stamp, self._number, time.monotonic(), at_s)


def rows(models: LoadedModels, peer: Path | None, rounds: int = ROUNDS) -> dict[str, Row]:
    """Measure all rows.

    Args:
        models: Of the edge, as `run` loads them.
        peer: File of the peer; None for none.
        rounds: Turns of each side.

    Returns:
        The rows by name. Without a peer, its rows say so and have no figure.

    Raises:
        EdgeError: A model failed.
    """
    models.detector.expect(*_ROOM)
    other: OpenCvSsd | None = None
    absent = "no --peer was named"
    try:
        other = None if peer is None else OpenCvSsd(peer)
    except PeerError as error:
        absent = str(error)
    measured: dict[str, Row] = {}
    with tempfile.TemporaryDirectory() as folder, Outbox(Path(folder) / "outbox.db") as outbox:
        for count in COUNTS:
            video = _written(Path(folder), crowd(count))
            found = len(models.detector.detect(crowd(count)[0]))
            rules = VotingRules(certain_threshold=models.detector.certain_threshold)
            sides: dict[str, Callable[[], None]] = {
                "models alone": partial(_models_alone, models, video),
                "pipeline, nobody decided": partial(
                    _pipeline, models, video, outbox, _ENDLESS_VOTE
                ),
                "pipeline": partial(_pipeline, models, video, outbox, rules),
            }
            if other is not None:
                sides["peer"] = partial(_peer_loop, other, video)
            costs = _in_turns(sides, rounds)
            faces = f"{count}_face" + "s" * (count > 1)
            for name in ("pipeline, nobody decided", "pipeline"):
                key = f"edge_{name.replace(', ', '_').replace(' ', '_')}_{faces}"
                said = "the models alone"
                if name == "pipeline":
                    said += ", which judge each face in each frame"
                measured[f"{key}_against_models"] = _row(costs[name], costs["models alone"], said)
                if "peer" in costs:
                    measured[f"{key}_against_ssd260"] = _row(
                        costs[name], costs["peer"], f"AIZOO SSD260 in an OpenCV loop, {found} found"
                    )
                else:
                    measured[f"{key}_against_ssd260"] = Row(
                        round(costs[name].median, 2), "processor ms", f"not measured: {absent}", 0.0
                    )
    return measured


def _row(ours: Cost, others: Cost, name: str) -> Row:
    """Compare two costs; the ratio is above 1 where ours is the smaller one."""
    ratios = [b / a for a, b in zip(ours.rounds, others.rounds, strict=True)]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} rounds"
    return Row(
        round(ours.median, 2),
        "processor ms",
        f"{name}: {others.median:.1f} ms ({spread})",
        round(statistics.median(ratios), 2),
    )


def _in_turns(sides: dict[str, Callable[[], None]], rounds: int) -> dict[str, Cost]:
    costs: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side()
    for _ in range(rounds):
        for name, side in sides.items():
            begun = time.process_time()
            side()
            costs[name].append((time.process_time() - begun) / _FRAMES * 1000)
    return {name: Cost(each) for name, each in costs.items()}


def _written(folder: Path, frames: list[Image]) -> Path:
    """Write a video; MPEG-4 is what each build of OpenCV can write."""
    path = folder / "crowd.mp4"
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def _models_alone(models: LoadedModels, video: Path) -> None:
    source = _Video(video, _FRAMES)
    while (image := source.read()) is not None:
        faces = models.detector.detect(image)
        large = [face for face in faces if models.classifier.can_judge(face)]
        models.classifier.judge(image, large[:MAX_FACES])


def _peer_loop(peer: OpenCvSsd, video: Path) -> None:
    source = _Video(video, _FRAMES)
    while (image := source.read()) is not None:
        peer.find(image)


def _pipeline(models: LoadedModels, video: Path, outbox: Outbox, rules: VotingRules) -> None:
    with OutboxWriter(outbox) as writer:
        Pipeline(
            camera=_Video(video, _FRAMES),
            detector=models.detector,
            classifier=models.classifier,
            sightings=SightingTracker(rules),
            writer=writer,
            observer=CountingObserver(),
            max_faces=MAX_FACES,
            stills=StillsCheck(Stills.MOTIONLESS),
        ).run()
