"""The values that the edge's parts hand to one another: immutable, in pixels and in UTC."""

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
    """The state of the connection between this device and the cloud."""

    ONLINE = "online"
    OFFLINE = "offline"
    """The cloud does not answer, or answers with an error. Events wait, and are delivered later."""

    KEY_REFUSED = "key_refused"
    """The cloud does not accept this device's key. Events wait until the device has a new key."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of its picture; `x1` and `y1` are exclusive."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def width(self) -> float:
        """In pixels, at least 0."""
        return max(0.0, self.x1 - self.x0)

    @property
    def height(self) -> float:
        """In pixels, at least 0."""
        return max(0.0, self.y1 - self.y0)

    @property
    def area(self) -> float:
        """In square pixels."""
        return self.width * self.height

    @property
    def shorter_side(self) -> float:
        """In pixels."""
        return min(self.width, self.height)

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) in pixels."""
        return (self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2

    def iou(self, other: "Box") -> float:
        """Return the intersection over union, 0…1; 0 if both are empty."""
        shared = self._shared(other)
        return shared / (self.area + other.area - shared) if shared else 0.0

    def cover(self, other: "Box") -> float:
        """Return the intersection over the smaller area, 0…1; 1 if one lies within the other."""
        shared = self._shared(other)
        return shared / min(self.area, other.area) if shared else 0.0

    def overlaps(self, other: "Box") -> bool:
        """Return whether the two share any area."""
        return (
            self.x0 < other.x1 and other.x0 < self.x1 and self.y0 < other.y1 and other.y0 < self.y1
        )

    def _shared(self, other: "Box") -> float:
        across = min(self.x1, other.x1) - max(self.x0, other.x0)
        down = min(self.y1, other.y1) - max(self.y0, other.y0)
        return across * down if across > 0 and down > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture with the time of its capture.

    Attributes:
        image: The picture.
        captured_at: Time of the capture in UTC, by the wall clock. It is a stamp for events: people
            and time services set this clock, so no duration comes from it.
        number: Counts up from 0 within one run, dropped frames included.
        read_at: `time.monotonic()` after the frame was read; only for measuring latency.
        time_s: Time of the capture in seconds, on a clock that nobody sets: the monotonic clock for
            a live source, the time within the clip for a file or a folder. All durations come from
            it; its zero means nothing.
    """

    image: Image = field(repr=False, compare=False)
    captured_at: datetime
    number: int = 0
    read_at: float = 0.0
    time_s: float = 0.0

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.image.shape[0], self.image.shape[1]


@dataclass(frozen=True, slots=True)
class Face:
    """A face in a frame.

    Attributes:
        box: Of the face, within the picture.
        score: Of the detector, 0…1; a higher score means that a face is more certain.
        landmarks: Points (x, y) in pixels; empty if the model returns none.
    """

    box: Box
    score: float
    landmarks: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """One face in one frame, with its label.

    Attributes:
        face: That was judged.
        label: By the model's thresholds; it is not always the most probable label.
        probabilities: Of each label; their sum is 1.
    """

    face: Face
    label: Label
    probabilities: Mapping[Label, float]

    @property
    def confidence(self) -> float:
        """The probability of the label, 0…1."""
        return self.probabilities[self.label]


@dataclass(frozen=True, slots=True)
class TrackedFace:
    """A face in a frame, with the track that it belongs to.

    Attributes:
        face: In the frame.
        track: Number of the track within this run.
        seen_s: Time of the frame in seconds, on the tracker's own clock.
        known: The judgement of an earlier frame that still stands; None if the face needs one now.
    """

    face: Face
    track: int
    seen_s: float
    known: Judgement | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of a sighting.

    Attributes:
        label: That the votes agreed on.
        confidence: The label's share of the weight of all votes, 0…1.
        votes: Number of judgements in this sighting so far, at least 1.
        first_seen_at: Capture time of the first frame that showed the person since the person came
            or came back.
        occurred_at: Capture time of the frame with the deciding vote.
        sighting: Number of the sighting within this run.
        box: Of the face in the frame with the deciding vote.
        camera: The name of the camera; empty where the device has one.
    """

    label: Label
    confidence: float
    votes: int
    first_seen_at: datetime
    occurred_at: datetime
    sighting: int
    box: Box
    camera: str = ""

    @property
    def admits(self) -> bool:
        """Whether the person may get a pass."""
        return self.label is Label.WITH_MASK
