"""What the edge's parts hand to one another: immutable values, in pixels and in UTC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from cloud.contract import Label

Image: TypeAlias = npt.NDArray[np.uint8]
"""A picture as OpenCV holds it: [height, width, 3], BGR, 0…255."""

FloatArray: TypeAlias = npt.NDArray[np.floating[Any]]


class ConnectionState(StrEnum):
    """How things stand between this device and the cloud."""

    ONLINE = "online"
    OFFLINE = "offline"
    """No answer, or none that can be used: events wait and are delivered later."""

    KEY_REFUSED = "key_refused"
    """The cloud does not accept this device's key: events wait until it is enrolled again."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of its picture; `x1`, `y1` lie just outside of it."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """Pixels, at least 0."""
        return max(0.0, self.x1 - self.x0)

    @property
    def height(self) -> float:
        """Pixels, at least 0."""
        return max(0.0, self.y1 - self.y0)

    @property
    def area(self) -> float:
        """Square pixels."""
        return self.width * self.height

    @property
    def shorter_side(self) -> float:
        """Pixels."""
        return min(self.width, self.height)

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) in pixels."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def iou(self, other: "Box") -> float:
        """Intersection over union, 0…1; 0 where both are empty."""
        shared = self._shared(other)
        return shared / (self.area + other.area - shared) if shared else 0.0

    def cover(self, other: "Box") -> float:
        """Intersection over the smaller of both, 0…1: 1 where one lies within the other."""
        shared = self._shared(other)
        return shared / min(self.area, other.area) if shared else 0.0

    def _shared(self, other: "Box") -> float:
        across = min(self.x1, other.x1) - max(self.x0, other.x0)
        down = min(self.y1, other.y1) - max(self.y0, other.y0)
        return across * down if across > 0 and down > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture with the moment that it shows.

    Attributes:
        image: The picture.
        captured_at: When it was taken, aware, in UTC. Decisions take their times from here.
        number: Counts up from 0 within one run, dropped frames included.
        read_at: `time.monotonic()` when it had been read; for measuring latency alone.
    """

    image: Image = field(repr=False, compare=False)
    captured_at: datetime
    number: int = 0
    read_at: float = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.image.shape[0], self.image.shape[1]


@dataclass(frozen=True, slots=True)
class Face:
    """Where a face is.

    Attributes:
        box: Within the picture.
        score: How sure the detector is, 0…1.
        landmarks: Points (x, y) in pixels where the model gives them; otherwise empty.
    """

    box: Box
    score: float
    landmarks: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """One face in one frame, with its label.

    Attributes:
        face: What was judged.
        label: By the model's thresholds, so not always the likeliest.
        probabilities: Of each label; they sum to 1.
    """

    face: Face
    label: Label
    probabilities: Mapping[Label, float]

    @property
    def confidence(self) -> float:
        """The label's own probability, 0…1."""
        return self.probabilities[self.label]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a sighting ended in.

    Attributes:
        label: What the votes agreed on.
        confidence: Share of the votes' probability behind the label, 0…1.
        votes: Faces judged in this sighting so far, at least 1.
        first_seen_at: Capture time of the first frame that showed the person.
        occurred_at: Capture time of the frame that settled it.
        sighting: Number of the sighting within this run.
        box: The face in that frame.
    """

    label: Label
    confidence: float
    votes: int
    first_seen_at: datetime
    occurred_at: datetime
    sighting: int
    box: Box

    @property
    def admits(self) -> bool:
        """Whether this verdict asks for a pass."""
        return self.label is Label.WITH_MASK
