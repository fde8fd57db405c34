"""Motion: where a face is, how fast it moves, and where it will be at the next frame.

A Kalman filter with constant velocity follows the centre and the size of a box, as in SORT (Bewley
et al., Simple online and realtime tracking, 2016). After a gap, the filter is run again along the
straight line between the last box and the new one. This is the observation-centric re-update of
OC-SORT (Cao et al., Observation-centric SORT, 2023): while a face is unseen, the filter's errors
add up, and one box alone does not repair the velocity.

All lengths are in face sizes, because a person who is twice as far away moves half as many pixels.
"""

import math
from dataclasses import dataclass

from edge.values import Box

PLACE_NOISE = 0.06
"""Standard deviation of a box's centre, in face sizes: the noise of the detector."""

SIZE_NOISE = 0.06
"""Standard deviation of the logarithm of a box's width or height."""

TOP_SPEED = 12.0
"""Face sizes per second of a person in a hurry: 1.8 m/s, and a face is about 0.15 m wide."""

_START_SPEED = 4.0
"""Standard deviation of the velocity of a face that was seen once, in face sizes per second."""

_PLACE_AGITATION = 30.0
"""Spectral density of the acceleration, in squared face sizes per cubic second: a person who walks
at 1.4 m/s stands still two seconds later, or a standing head ducks in a fifth of a second."""

_SIZE_AGITATION = 0.3
"""Spectral density of the acceleration of the size's logarithm, per cubic second."""

_START_GROWTH = 0.5
"""Standard deviation of the growth of a face that was seen once, per second. A person who walks
towards the camera from two metres away grows by 0.7 a second."""

_STEP_S = 0.2
"""Seconds of one step of the re-update after a gap."""


@dataclass(slots=True)
class _Uncertainty:
    """Covariance of a value and its velocity. It is the same for x and y, and for both sizes."""

    value: float
    mixed: float
    velocity: float

    def predict(self, seconds: float, agitation: float) -> None:
        """Add what an acceleration of white noise adds (Bar-Shalom et al., 2001, section 6.2.2)."""
        self.value += seconds * (2 * self.mixed + seconds * self.velocity)
        self.value += agitation * seconds**3 / 3
        self.mixed += seconds * self.velocity + agitation * seconds**2 / 2
        self.velocity += agitation * seconds

    def update(self, noise: float) -> tuple[float, float]:
        """Take in a measurement of this variance. Returns its gains for value and velocity."""
        total = self.value + noise
        gain, velocity_gain = self.value / total, self.mixed / total
        self.velocity -= velocity_gain * self.mixed
        self.mixed *= 1 - gain
        self.value *= 1 - gain
        return gain, velocity_gain


def measured(box: Box) -> list[float]:
    """Return middle x, middle y, and the logarithms of width and height, in pixels."""
    x, y = box.centre
    return [x, y, math.log(max(box.width, 1.0)), math.log(max(box.height, 1.0))]


class Motion:
    """The motion of one face.

    Args:
        box: Where the face is.
        at_s: When, in seconds.

    Attributes:
        last_box: The last box that was seen.
        last_s: When it was seen.
    """

    def __init__(self, box: Box, at_s: float) -> None:
        self.last_box, self.last_s = box, at_s
        self._last = measured(box)
        self._seen = (list(self._last), [0.0] * 4, at_s)
        self._values, self._speeds = list(self._last), [0.0] * 4
        self._at_s = at_s
        self._place = _Uncertainty(PLACE_NOISE**2, 0.0, _START_SPEED**2)
        self._size = _Uncertainty(SIZE_NOISE**2, 0.0, _START_GROWTH**2)
        self._place_seen = _copy(self._place)
        self._size_seen = _copy(self._size)

    @property
    def size(self) -> float:
        """The predicted size in pixels: the square root of the area."""
        return math.exp((self._values[2] + self._values[3]) / 2)

    @property
    def speed(self) -> float:
        """In face sizes per second."""
        return math.hypot(self._speeds[0], self._speeds[1]) / self.size

    @property
    def box(self) -> Box:
        """Where the face is now, as predicted."""
        x, y, wide, high = self._values
        half_width, half_height = math.exp(wide) / 2, math.exp(high) / 2
        return Box(x - half_width, y - half_height, x + half_width, y + half_height)

    def box_at(self, at_s: float) -> Box:
        """Return where the face would be at another time if it moved on evenly."""
        seconds = at_s - self._at_s
        across, down = seconds * self._speeds[0], seconds * self._speeds[1]
        box = self.box
        return Box(box.x0 + across, box.y0 + down, box.x1 + across, box.y1 + down)

    def predict(self, at_s: float) -> None:
        """Go on to a later time."""
        seconds = at_s - self._at_s
        if seconds <= 0:
            return
        self._at_s = at_s
        for i in range(4):
            self._values[i] += seconds * self._speeds[i]
        self._place.predict(seconds, _PLACE_AGITATION)
        self._size.predict(seconds, _SIZE_AGITATION)

    def states(self) -> tuple[list[float], list[float]]:
        """Return the last box and the predicted one as `measured` returns them."""
        return self._last, self._values

    def variances(self) -> tuple[float, float]:
        """Return how far a right box may be from the prediction.

        Returns:
            (variance of the place in squared face sizes, variance of a size's logarithm).
        """
        return self._place.value + PLACE_NOISE**2, self._size.value + SIZE_NOISE**2

    def update(self, box: Box, at_s: float, usual_step_s: float) -> None:
        """Take in a box that was seen.

        Args:
            box: Of the face.
            at_s: When, in seconds.
            usual_step_s: Seconds between two frames; a longer step was a gap.
        """
        gap_s = at_s - self.last_s
        if gap_s > 1.5 * max(usual_step_s, 1e-3):
            self._retrace(box, at_s)
        self.predict(at_s)
        self._last = measured(box)
        self._take(self._last)
        self.last_box, self.last_s = box, at_s
        self._seen = (list(self._values), list(self._speeds), at_s)
        self._place_seen, self._size_seen = _copy(self._place), _copy(self._size)

    def _retrace(self, box: Box, at_s: float) -> None:
        """Run the filter again from the last box to the new one, along a straight line."""
        values, speeds, since_s = self._seen
        self._values, self._speeds, self._at_s = list(values), list(speeds), since_s
        self._place, self._size = _copy(self._place_seen), _copy(self._size_seen)
        first, last = self._last, measured(box)
        steps = min(10, math.ceil((at_s - since_s) / _STEP_S))
        for step in range(1, steps):
            share = step / steps
            self.predict(since_s + share * (at_s - since_s))
            self._take([a + share * (b - a) for a, b in zip(first, last, strict=True)])

    def _take(self, seen: list[float]) -> None:
        gain, speed_gain = self._place.update(PLACE_NOISE**2)
        grow, growth_gain = self._size.update(SIZE_NOISE**2)
        gains = ((gain, speed_gain), (gain, speed_gain), (grow, growth_gain), (grow, growth_gain))
        for i, (value_gain, velocity_gain) in enumerate(gains):
            surprise = seen[i] - self._values[i]
            self._values[i] += value_gain * surprise
            self._speeds[i] += velocity_gain * surprise


def _copy(of: _Uncertainty) -> _Uncertainty:
    return _Uncertainty(of.value, of.mixed, of.velocity)
