"""The arrival of a live source's pictures: which of them are old, because they were held back."""

import statistics
from collections import deque

_SILENCE_S = 1.0
"""Least seconds without a picture that count as a silence; a slow source needs longer ones."""

_SILENCE_INTERVALS = 5
"""Usual intervals between two pictures that make a silence."""

_BURST_SHARE = 0.5
"""Share of the usual interval under which two pictures belong to one burst."""

_LONGEST_BURST_S = 2.0
"""Seconds after which a burst counts as the source's new pace."""

_KEPT_INTERVALS = 64


class Arrivals:
    """Tells the pictures of now from those that were held back during a silence.

    When a stream stops, the decoder gives out the pictures that it still holds, some of them only
    after the read has timed out. When a network returns, it delivers at once what it held back.
    Both are old. They come in a burst: closer together than the camera takes pictures. So the
    first picture after a silence is old, and so is each that follows faster than usual.
    """

    def __init__(self) -> None:
        self._intervals: deque[float] = deque(maxlen=_KEPT_INTERVALS)
        self._last: float | None = None
        self._burst_since: float | None = None

    def is_old(self, now: float) -> bool:
        """Note the arrival of a picture.

        Args:
            now: Monotonic seconds.

        Returns:
            Whether the picture is an old one that was held back.
        """
        last, self._last = self._last, now
        if last is None:
            return False
        interval = now - last
        usual = statistics.median(self._intervals) if self._intervals else interval
        if interval > max(_SILENCE_S, _SILENCE_INTERVALS * usual):
            self._burst_since = now
            return True
        if self._burst_since is not None:
            in_burst = interval < _BURST_SHARE * usual
            if in_burst and now - self._burst_since < _LONGEST_BURST_S:
                return True
            self._burst_since = None
        self._intervals.append(interval)
        return False
