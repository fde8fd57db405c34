"""How long a frame takes from pixels to labels; the systems take turns in one process."""

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
"""Frames in a row before it is the next system's turn, as a camera would give them."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds from a 640x480 frame to labels, or to boxes where a system gives no labels.

    Attributes:
        median: Half of the frames took at most this.
        p95: 19 of 20 frames took at most this.
        least: The shortest; other load on the machine disturbs it least.
        processor: Median of the processor's time over all threads. On a machine with other load it
            says more than the clock.
        frames: How many were timed.
        faces: How many faces the system found on a frame, on average.
    """

    median: float
    p95: float
    least: float
    processor: float
    frames: int
    faces: float

    def as_json(self) -> dict[str, float | int]:
        """Return the figures by name, in milliseconds."""
        return {
            "median_ms": round(self.median, 3),
            "p95_ms": round(self.p95, 3),
            "least_ms": round(self.least, 3),
            "median_processor_ms": round(self.processor, 3),
            "frames": self.frames,
            "faces_a_frame": round(self.faces, 2),
        }


def camera_frame(picture: Pixels) -> Pixels:
    """Fit a picture into a camera's frame of 640x480; its ratio stays and its border is continued.

    Args:
        picture: BGR u8 [H, W, 3].

    Returns:
        BGR u8 [480, 640, 3].
    """
    scale = min(WIDTH / picture.shape[1], HEIGHT / picture.shape[0])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    small = small[:HEIGHT, :WIDTH]
    below, right = HEIGHT - small.shape[0], WIDTH - small.shape[1]
    return np.asarray(cv2.copyMakeBorder(small, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)


def frames_of_one_face(dataset: EvaluationSet, systems: Sequence[System]) -> list[Pixels]:
    """Make frames with one large face, which moves a little as before a camera.

    The face is chosen from the first twenty on which the first system, ours, finds one face: it is
    the one that most of the other systems find, too.

    Args:
        dataset: The pictures.
        systems: The systems, ours first.

    Returns:
        The frames, BGR u8 [480, 640, 3].

    Raises:
        EmptyClassError: Our models find no such face.
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
    """Say whether a system finds one face on a frame, and judges it if it judges faces at all."""
    prediction = system.predict(frame, system.threshold)
    return len(prediction.faces.scores) == 1 and (
        prediction.labels is None or prediction.labels[0] != UNJUDGED
    )


def time_systems(systems: Sequence[System], frames: Sequence[Pixels], rounds: int) -> list[Latency]:
    """Time each system over `rounds` turns of five frames.

    The systems take turns, so that other load on the machine slows all of them alike.

    Args:
        systems: The systems.
        frames: Of one size; they are used over and over.
        rounds: Turns of each system.

    Returns:
        The latency of each system.
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
                prediction = system.predict(frame, system.threshold)
                times[place].append((time.perf_counter() - begun) * 1000)
                spent[place].append((time.process_time() - busy) * 1000)
                seen[place].append(len(prediction.faces.scores))
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
