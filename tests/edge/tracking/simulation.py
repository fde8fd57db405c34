"""Drawn people in front of a door, and a detector and a classifier with the mistakes of real ones.

A person is hair, a face and a shirt in colours of their own. The tracker gets the drawn frames, so
that it compares real colours; boxes and labels come from the truth, with noise.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np

from cloud.contract import Label
from edge.tracking.sightings import SightingTracker
from edge.tracking.votes import VotingRules
from edge.values import Box, Face, Image, Judgement, Verdict

WIDTH, HEIGHT = 640, 480
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

Place = tuple[float, float, float]
"""Middle of a face and its width, in pixels."""

Colour = tuple[float, float, float]

OUTFITS: tuple[tuple[Colour, Colour, Colour], ...] = (
    ((30, 25, 20), (120, 150, 200), (160, 60, 30)),
    ((60, 140, 190), (150, 170, 220), (40, 40, 150)),
    ((25, 20, 25), (60, 80, 120), (210, 210, 215)),
    ((150, 150, 155), (130, 150, 200), (60, 120, 60)),
    ((20, 45, 85), (110, 140, 190), (30, 30, 35)),
    ((40, 60, 140), (160, 180, 225), (180, 160, 40)),
)
"""Colours of hair, skin and shirt of different people, BGR."""


@dataclass(frozen=True)
class Person:
    """Somebody in front of the door.

    Attributes:
        path: Seconds → where the face is; None while the person is not there.
        label: Seconds → what is worn.
        outfit: Number of the colours.
        hidden: Seconds → whether something covers the face.
    """

    path: Callable[[float], Place | None]
    label: Callable[[float], Label]
    outfit: int = 0
    hidden: Callable[[float], bool] = lambda _t: False


@dataclass
class Detector:
    """What a detector and a classifier make of the truth.

    Attributes:
        noise: Standard deviation of a box's sides, in face sizes.
        missing: Share of the faces that are not found.
        mistakes: Share of the labels that are wrong.
        faint: Share of the boxes that are below the detector's threshold.
        noise_boxes: Share of the frames with a box where nobody is.
    """

    noise: float = 0.03
    missing: float = 0.03
    mistakes: float = 0.03
    faint: float = 0.0
    noise_boxes: float = 0.0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def find(self, truth: Box) -> Box | None:
        """Return the box that is found."""
        if self.rng.random() < self.missing:
            return None
        size = truth.shorter_side * self.noise
        sides = np.array([truth.x0, truth.y0, truth.x1, truth.y1]) + self.rng.normal(0, size, 4)
        x0, y0, x1, y1 = np.clip(sides, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
        box = Box(float(x0), float(y0), float(x1), float(y1))
        return box if box.area > 0.6 * truth.area else None

    def is_faint(self) -> bool:
        """Return whether a box is below the threshold."""
        return self.faint > 0 and self.rng.random() < self.faint

    def noise_box(self) -> Box | None:
        """Return a box where nobody is; None in most frames."""
        if not self.noise_boxes or self.rng.random() >= self.noise_boxes:
            return None
        x, y, width = self.rng.uniform((0, 0, 30), (WIDTH - 100, HEIGHT - 120, 90))
        return Box(x, y, x + width, y + 1.25 * width)

    def label(self, truth: Label) -> Label:
        """Return the label that is given."""
        if self.rng.random() >= self.mistakes:
            return truth
        return [label for label in Label if label is not truth][int(self.rng.integers(2))]


def stand(
    x: float, y: float, width: float, begin: float = 0, end: float = math.inf
) -> Callable[[float], Place | None]:
    """Stand on one spot and sway a little."""
    return lambda t: (
        (x + 0.05 * width * math.sin(1.9 * t), y + 0.03 * width * math.sin(2.7 * t), width)
        if begin <= t < end
        else None
    )


def walk(
    start: tuple[float, float], speed: tuple[float, float], width: float, begin: float = 0
) -> Callable[[float], Place | None]:
    """Walk on for ever, at a speed in face widths per second."""
    return lambda t: (
        (
            start[0] + speed[0] * width * (t - begin),
            start[1] + speed[1] * width * (t - begin),
            width,
        )
        if t >= begin
        else None
    )


def wears(label: Label, *changes: tuple[float, Label]) -> Callable[[float], Label]:
    """Wear something, and change it at these times in seconds."""

    def worn(t: float) -> Label:
        return next((new for at, new in reversed(changes) if t >= at), label)

    return worn


def simulate(
    people: Sequence[Person],
    *,
    seconds: float,
    fps: float,
    seed: int = 0,
    detector: Detector | None = None,
    max_faces: int = 4,
    rules: VotingRules | None = None,
) -> list[list[Verdict]]:
    """Let people come to a door.

    Args:
        people: Who comes.
        seconds: How long the camera looks.
        fps: Frames a second.
        seed: Of the noise.
        detector: With the mistakes that it makes.
        max_faces: Faces judged in a frame.
        rules: Of the vote.

    Returns:
        The verdicts on each person; a verdict is on the nearest face.
    """
    detector = detector or Detector()
    detector.rng = np.random.default_rng(seed)
    tracker = SightingTracker(rules or VotingRules())
    ground = np.random.default_rng(1).integers(90, 110, (HEIGHT, WIDTH, 3), np.uint8)
    verdicts: list[list[Verdict]] = [[] for _ in people]
    for n in range(round(seconds * fps)):
        t = n / fps
        image = ground.copy()
        truth = _draw(image, people, t)
        judgements, faint = {}, []
        for i, box in _visible(truth, people, t).items():
            found = detector.find(box)
            if found is not None and detector.is_faint():
                faint.append(Face(found, 0.2))
            elif found is not None:
                label = detector.label(people[i].label(t))
                face = Face(found, 0.9)
                judgements[face] = Judgement(face, label, _probabilities(label))
        nobody = detector.noise_box()
        if nobody is not None:
            face = Face(nobody, 0.6)
            judgements[face] = Judgement(face, Label.WITHOUT_MASK, _probabilities(Label.WITH_MASK))
        tracked = tracker.associate(judgements, t, image, faint)[:max_faces]
        judged = [judgements[each.face] for each in tracked]
        for verdict in tracker.vote(tracked, judged, START + timedelta(seconds=t)):
            nearest = min(truth, key=lambda i: _apart(truth[i], verdict.box))
            verdicts[nearest].append(verdict)
    return verdicts


def labels(verdicts: Sequence[Verdict]) -> list[Label]:
    """Return the labels of verdicts, in order."""
    return [verdict.label for verdict in verdicts]


def _probabilities(label: Label) -> dict[Label, float]:
    return {other: 0.9 if other is label else 0.05 for other in Label}


def _draw(image: Image, people: Sequence[Person], t: float) -> dict[int, Box]:
    """Draw those who are there, the nearest over the others. Returns their faces."""
    places = {i: place for i, person in enumerate(people) if (place := person.path(t)) is not None}
    truth = {}
    for i in sorted(places, key=lambda i: places[i][2]):
        x, y, width = places[i]
        height = 1.25 * width
        truth[i] = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        hair, skin, shirt = OUTFITS[people[i].outfit % len(OUTFITS)]
        body = (int(x - 1.2 * width), int(y + 0.75 * height), int(x + 1.2 * width), HEIGHT)
        cv2.rectangle(image, body[:2], body[2:], shirt, -1)
        head = (int(x), int(y - 0.1 * height)), (int(0.62 * width), int(0.68 * height))
        cv2.ellipse(image, *head, 0, 0, 360, hair, -1)
        cv2.ellipse(image, (int(x), int(y)), (int(width / 2), int(height / 2)), 0, 0, 360, skin, -1)
    return truth


def _visible(truth: dict[int, Box], people: Sequence[Person], t: float) -> dict[int, Box]:
    """Return the faces that a detector can see: in the frame, and behind nothing."""
    seen: dict[int, Box] = {}
    for i in sorted(truth, key=lambda i: -truth[i].area):
        box = truth[i]
        inside = box.cover(Box(0, 0, WIDTH, HEIGHT)) and box.iou(Box(0, 0, WIDTH, HEIGHT))
        share = inside * WIDTH * HEIGHT / box.area if box.area else 0.0
        free = all(box.iou(other) < 0.3 and box.cover(other) < 0.5 for other in seen.values())
        if share > 0.8 and free and not people[i].hidden(t):
            seen[i] = box
    return seen


def _apart(one: Box, other: Box) -> float:
    (x, y), (u, v) = one.centre, other.centre
    return math.hypot(x - u, y - v)
