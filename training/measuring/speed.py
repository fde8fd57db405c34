"""How long a frame takes from pixels to labels, each system in its turn, in one process."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from training.errors import EmptyClassError
from training.graphs.system import UNJUDGED, System
from training.measuring.evaluation_set import EvaluationSet
from training.measuring.matching import is_counted
from training.records.pictures import Pixels

WIDTH, HEIGHT = 640, 480
_VARIANTS = 8
_CANDIDATES = 20
_TURN = 5
"""Frames in a row before the next system has its turn, as a camera would give them."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from a 640x480 frame to labels (or to boxes, where a system says no labels).

    Attributes:
        median: Half of the frames took no longer.
        p95: 19 of 20 took no longer.
        least: What other load disturbs least.
        processor: Median of the processor's time over all threads: on a machine with other work it
            says more than the clock.
        frames: How many were timed.
        faces: How many faces it saw on a frame, on average.
    """

    median: float
    p95: float
    least: float
    processor: float
    frames: int
    faces: float

    def as_json(self) -> dict[str, float | int]:
        """The same by name, in ms."""
        return {
            "median_ms": round(self.median, 3),
            "p95_ms": round(self.p95, 3),
            "least_ms": round(self.least, 3),
            "median_processor_ms": round(self.processor, 3),
            "frames": self.frames,
            "faces_a_frame": round(self.faces, 2),
        }


def camera_frame(picture: Pixels) -> Pixels:
    """A picture within 640x480, its ratio kept, its border continued."""
    scale = min(WIDTH / picture.shape[1], HEIGHT / picture.shape[0])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    small = small[:HEIGHT, :WIDTH]
    below, right = HEIGHT - small.shape[0], WIDTH - small.shape[1]
    return np.asarray(cv2.copyMakeBorder(small, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)


def frames_of_one_face(dataset: EvaluationSet, systems: Sequence[System]) -> list[Pixels]:
    """One picture with one large face on it, as a camera that moves a little would show it: of the
    first twenty on which the first system, ours, sees one face, that on which most others do.

    Raises:
        EmptyClassError: Ours sees no such face.
    """
    for system in systems:
        system.expect(HEIGHT, WIDTH)
    alone = [
        r
        for r in dataset.records
        if len(r.faces) == 1 and is_counted(r.faces[0], min(r.width, r.height) / 4)
    ]
    best, most = None, 0
    tried = 0
    for _, picture in EvaluationSet(dataset.name, alone).pictures("a frame with one face"):
        frame = camera_frame(picture)
        if not finds_one_face(systems[0], frame):
            continue
        agreeing = sum(finds_one_face(system, frame) for system in systems)
        if agreeing > most:
            best, most = frame, agreeing
        tried += 1
        if most == len(systems) or tried == _CANDIDATES:
            break
    if best is None:
        raise EmptyClassError(
            f"{dataset.name}: no picture with one large face that our models find, to time a frame "
            "with; add a portrait, or time nothing with --rounds 0"
        )
    return [np.ascontiguousarray(np.roll(best, (2 * n, 3 * n), (0, 1))) for n in range(_VARIANTS)]


def finds_one_face(system: System, frame: Pixels) -> bool:
    """Whether a system finds one face on a frame, and judges it where it judges any."""
    sight = system.predict(frame, system.threshold)
    return len(sight.faces.scores) == 1 and (sight.labels is None or sight.labels[0] != UNJUDGED)


def time_systems(systems: Sequence[System], frames: Sequence[Pixels], rounds: int) -> list[Latency]:
    """Each system's pace over `rounds` turns of five frames. They take turns, so that what else the
    machine does meets them all.
    """
    times: list[list[float]] = [[] for _ in systems]
    spent: list[list[float]] = [[] for _ in systems]
    seen: list[list[int]] = [[] for _ in systems]
    for system in systems:
        system.expect(*frames[0].shape[:2])
        for frame in frames[:2]:
            system.predict(frame, system.threshold)
    for turn in range(rounds):
        for place, system in enumerate(systems):
            for step in range(_TURN):
                frame = frames[(turn * _TURN + step) % len(frames)]
                begun, busy = time.perf_counter(), time.process_time()
                sight = system.predict(frame, system.threshold)
                times[place].append((time.perf_counter() - begun) * 1000)
                spent[place].append((time.process_time() - busy) * 1000)
                seen[place].append(len(sight.faces.scores))
    return [
        Latency(
            float(np.median(t)),
            float(np.quantile(t, 0.95)),
            min(t),
            float(np.median(p)),
            len(t),
            float(np.mean(s)),
        )
        for t, p, s in zip(times, spent, seen, strict=True)
    ]
