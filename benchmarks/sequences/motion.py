"""Motion: where people go, and the small movements of a living head."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a face is in a frame.

    Attributes:
        x: Middle of the face in pixels.
        y: Middle of the face in pixels.
        width: Of the face in pixels.
    """

    x: float
    y: float
    width: float


Path = Callable[[float], Placement | None]
"""Seconds from the beginning → where the face is; None while the person is not there."""


def stand(x: float, y: float, width: float, begin: float = 0.0, end: float = math.inf) -> Path:
    """Stand on one spot from `begin` to `end`, and be nowhere before and after."""
    place = Placement(x, y, width)
    return lambda t: place if begin <= t < end else None


def walk(points: list[tuple[float, Placement]]) -> Path:
    """Walk from place to place.

    Args:
        points: (seconds, place), in the order of time; between them the person walks evenly.

    Returns:
        The path; the person is nowhere before the first point and after the last.
    """
    times = [at for at, _ in points]
    rows = np.array([(p.x, p.y, p.width) for _, p in points])

    def path(t: float) -> Placement | None:
        if not times[0] <= t <= times[-1]:
            return None
        return Placement(*(float(np.interp(t, times, rows[:, k])) for k in range(3)))

    return path


@dataclass(frozen=True, slots=True)
class Pose:
    """A head beside its resting place.

    Attributes:
        dx: Shift in face widths.
        dy: Shift in face widths.
        roll: In degrees.
        grow: Factor of the size.
        yaw: Of the head against the shoulders: shift of the nose in face widths.
        nod: The same, downwards.
        jaw: Shift of the chin in face widths.
        eyes_closed: Whether the person blinks.
    """

    dx: float = 0.0
    dy: float = 0.0
    roll: float = 0.0
    grow: float = 1.0
    yaw: float = 0.0
    nod: float = 0.0
    jaw: float = 0.0
    eyes_closed: bool = False


class LivingHead:
    """The movements of a head that nobody holds still.

    Each is a sum of three sines of 0.15 to 2.2 Hz, of falling size. A person who stands sways by
    some centimetres in a second or two (Winter, Human balance and posture control during standing
    and walking, 1995); people blink 10 to 20 times a minute, for 0.1 to 0.2 s.

    Args:
        rng: Source of chance.
        liveliness: Factor of all movements; 1 for a person who waits at a door, 0.2 for one who
            stands as still as for a passport picture.
    """

    def __init__(self, rng: np.random.Generator, liveliness: float = 1.0) -> None:
        self._waves = rng.uniform(0.15, 0.5, (7, 3)) * np.array([1.0, 2.0, 4.4])
        self._phases = rng.uniform(0, 2 * math.pi, (7, 3))
        self._sizes = rng.uniform(0.4, 1.0, (7, 3)) * np.array([1.0, 0.35, 0.08])
        self._liveliness = liveliness
        self._blinks = np.cumsum(rng.uniform(2.0, 6.0, 40)) - float(rng.uniform(0, 2))
        self._blink_s = float(rng.uniform(0.1, 0.2))

    def pose(self, t: float) -> Pose:
        """Return the pose at a time in seconds."""
        angles = 2 * math.pi * self._waves * t + self._phases
        dx, dy, roll, grow, yaw, nod, jaw = (
            float(v) * self._liveliness for v in (self._sizes * np.sin(angles)).sum(axis=1)
        )
        since = t - self._blinks[self._blinks <= t]
        return Pose(
            dx=0.09 * dx,
            dy=0.03 * dy,
            roll=2.5 * roll,
            grow=1 + 0.03 * grow,
            yaw=0.06 * yaw,
            nod=0.03 * nod,
            jaw=0.015 * jaw,
            eyes_closed=bool(len(since) and since[-1] < self._blink_s),
        )


class SteadyHand:
    """The movements of a flat thing in a hand: all of it moves as one.

    Args:
        rng: Source of chance.
        liveliness: Factor of all movements; 0 for what hangs on a wall.
    """

    def __init__(self, rng: np.random.Generator, liveliness: float = 1.0) -> None:
        self._waves = rng.uniform(0.2, 0.6, (6, 3)) * np.array([1.0, 2.5, 12.0])
        self._phases = rng.uniform(0, 2 * math.pi, (6, 3))
        self._sizes = rng.uniform(0.4, 1.0, (6, 3)) * np.array([1.0, 0.3, 0.03])
        self._liveliness = liveliness

    def corners(self, t: float) -> NDArray[np.float64]:
        """Return where a unit square's corners are, f64 [4, 2], clockwise from the upper left."""
        angles = 2 * math.pi * self._waves * t + self._phases
        dx, dy, roll, grow, tilt, pan = (
            float(v) * self._liveliness for v in (self._sizes * np.sin(angles)).sum(axis=1)
        )
        square = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
        turn = math.radians(4 * roll)
        turned = square @ np.array(
            [[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]]
        )
        # A plane that is tilted: the nearer edge is longer.
        nearer = 1 + 0.06 * tilt * square[:, 1:] + 0.06 * pan * square[:, :1]
        moved = turned * nearer * (1 + 0.05 * grow)
        return np.asarray(moved + np.array([0.15 * dx, 0.08 * dy]), np.float64)
