"""Faults of the picture itself: a camera that goes on sending, but shows nothing of the door.

Each picture is measured on about 24 of its rows: whole rows, because blur shows only between
neighbours, and few, because that costs a fraction of a millisecond.
"""

import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from edge.values import Image

GreyRows: TypeAlias = npt.NDArray[np.uint8]
"""Some rows of a picture's green channel: [rows, width]."""

_ROWS: Final = 24
_CELLS: Final = (32, 12)
"""Columns and rows of the grid of means. A mean of many pixels has little noise left."""

_ENDS: Final = 12
"""Cells at each end, 3 % of all, that do not count as the darkest and the brightest."""

_BLACK_LEVEL: Final = 8.0
_BLACK_SPREAD: Final = 3.0
"""Brightest and spread of the cells (0…255) up to which a picture is black. A corridor at night
still has a brighter corner; a lens cap has none."""

_STRONG_EDGE: Final = 24
"""Least rise of an edge that counts, 0…255: well above sensor noise."""

_EDGE_SHARE: Final = 0.05
_LEAST_EDGES: Final = 0.002
"""Share of the picture that the strongest edges make up, and the least share that can be judged."""

_CONSTANT_EXTENT: Final = 1.5
"""Greatest difference between any two pixels of a picture of one colour."""

_BLURRED_SHARE: Final = 0.62
"""Share of the camera's usual sharpness. A face that fills the picture is as sharp as a room."""

_SPREAD_SHARE: Final = 0.66
"""Share of the usual spread that a defocused picture keeps, and a covered one loses."""

_SHARPNESS_EVERY_S: Final = 0.2
"""Seconds between two measurements of sharpness, which cost more than the others together."""

_AFTER_S: Final = 3.0
"""Seconds for which a fault must last."""

_GOOD_S: Final = 0.5
"""Seconds without a fault after which it is over."""

_FROZEN_AFTER_S: Final = 4.0
_LONGEST_FROZEN_S: Final = 120.0
_FROZEN_PICTURES: Final = 10
"""Least number of identical pictures."""

_USUAL_SAMPLES: Final = 10
"""Seconds of good pictures after which the camera's usual values are known."""

_HISTORY_S: Final = 600


class PictureFault(StrEnum):
    """What is wrong with the picture; the value is the problem's name in heartbeats."""

    BLACK = "picture_black"
    """Dark everywhere, without any structure: a cap, a dead sensor, no light at all."""

    CONSTANT = "picture_constant"
    """One colour, without noise: a decoder or a driver that gives no picture."""

    FROZEN = "picture_frozen"
    """The same picture again and again, to the last bit."""

    COVERED = "picture_covered"
    """The scene that the camera usually sees is gone: tape, paint, a hand, a bag."""

    BLURRED = "picture_blurred"
    """The scene is there, but much less sharp than usual: defocus, dirt, drops."""

    @property
    def is_dead(self) -> bool:
        """Whether no verdict may come from such a picture; a blurred one shows people still."""
        return self is not PictureFault.BLURRED


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured on one picture.

    Attributes:
        brightest: Mean of the brightest cells, 0…255.
        spread: Difference between the brightest and the darkest cells, 0…255.
        extent: Difference between the brightest and the darkest pixel, 0…255.
        rows: The rows themselves, to compare with the next picture's.
    """

    brightest: float
    spread: float
    extent: float
    rows: GreyRows


def measured(image: Image) -> Measures:
    """Measure a picture [height, width, 3]."""
    step = max(1, image.shape[0] // _ROWS)
    rows = np.ascontiguousarray(image[step // 2 :: step, :, 1])
    cells = cv2.resize(rows, _CELLS, interpolation=cv2.INTER_AREA)
    ordered = np.sort(cells, axis=None)
    dark, bright = ordered[_ENDS], ordered[-1 - _ENDS]
    low, high, _, _ = cv2.minMaxLoc(rows)
    return Measures(float(bright), float(bright) - float(dark), high - low, rows)


def sharpness(rows: GreyRows) -> float | None:
    """Return how steep the strongest edges are: about 1 for a sharp step, 0.2 for a wide ramp.

    None means that there are no edges, so nothing can be said.

    An edge rises by `far` over a fortieth of the picture's width, and somewhere within by `near`
    over an eighth of that. Their ratio does not depend on light or contrast.
    """
    smooth = cv2.blur(rows, (3, 1))
    span = max(8, smooth.shape[1] // 40)
    part = span // 8 + 1
    far = cv2.absdiff(smooth[:, span:], smooth[:, :-span])
    counts = np.cumsum(cv2.calcHist([far], [0], None, [256], [0, 256]).ravel())
    strong = max(_STRONG_EDGE, int(np.searchsorted(counts, (1 - _EDGE_SHARE) * counts[-1])))
    edges = far >= strong
    if np.count_nonzero(edges) < _LEAST_EDGES * far.size:
        return None
    near = cv2.absdiff(smooth[:, part:], smooth[:, :-part])
    # The steepest part within [x, x + span].
    window = np.ones((1, span - part + 1), np.uint8)
    steepest = cv2.dilate(near, window, anchor=(0, 0))[:, : far.shape[1]]
    ratios = steepest[edges] / far[edges]
    return float(np.partition(ratios, ratios.size * 9 // 10)[ratios.size * 9 // 10])


class PictureWatch:
    """Watches the pictures of one camera for faults.

    Black and constant are absolute. Covered and blurred are relative to what this camera usually
    shows (a running median over ten minutes of good pictures), so a camera that looks at a white
    wall raises neither, and one that was never sharp is not reported as blurred.

    Frozen means identical to the last bit: a sensor's noise never repeats. But an encoder may skip
    what does not change, and then a static scene repeats too, until its next key frame. So the
    longest such repetition that ended by itself doubles the time that this camera is given. A false
    alarm costs no verdict: the first picture that differs ends the fault and is judged.

    Args:
        on_change: Is called with the fault that began, or None when the picture is well again.
        live: Whether a camera is watched. A file has no usual scene, and may well show a still
            picture: only black and constant count.

    Attributes:
        seen: Pictures so far.
        dead: Pictures so far that must not be judged.
    """

    def __init__(
        self,
        on_change: Callable[[PictureFault | None], None] = lambda _: None,
        *,
        live: bool = True,
    ) -> None:
        self._on_change = on_change
        self._live = live
        self._fault: PictureFault | None = None
        self._suspected: PictureFault | None = None
        self._since = 0.0
        self._previous: GreyRows | None = None
        self._same_since = 0.0
        self._same = 0
        self._frozen_after_s = _FROZEN_AFTER_S
        self._sharpness: float | None = None
        self._sharpness_at: float | None = None
        self._sharpnesses: deque[float] = deque(maxlen=_HISTORY_S)
        self._spreads: deque[float] = deque(maxlen=_HISTORY_S)
        self._learnt_at: float | None = None
        self._usual: tuple[float, float] | None = None
        self.seen = 0
        self.dead = 0

    @property
    def fault(self) -> PictureFault | None:
        """The fault that lasts now."""
        return self._fault

    def is_dead(self, image: Image, now: float) -> bool:
        """Look at the next picture.

        Args:
            image: The picture.
            now: Time of its capture, in monotonic seconds.

        Returns:
            Whether the picture must not be judged.
        """
        measures = measured(image)
        suspected = self._absolute(measures)
        if suspected is None and self._live:
            suspected = self._relative(measures, now)
        self._settle(suspected, now)
        if suspected is None and self._fault is None and self._live:
            self._learn(measures, now)
        dead = self._fault is not None and self._fault.is_dead
        # Nobody can be in a picture that is black or of one colour, even if it does not last.
        dead = dead or suspected in {PictureFault.BLACK, PictureFault.CONSTANT}
        self.seen += 1
        self.dead += dead
        return dead

    def _absolute(self, now: Measures) -> PictureFault | None:
        is_dark = now.brightest <= _BLACK_LEVEL
        if now.extent <= _CONSTANT_EXTENT:
            return PictureFault.BLACK if is_dark else PictureFault.CONSTANT
        return PictureFault.BLACK if is_dark and now.spread <= _BLACK_SPREAD else None

    def _relative(self, now: Measures, at: float) -> PictureFault | None:
        if self._is_frozen(now.rows, at):
            return PictureFault.FROZEN
        if self._sharpness_at is None or not 0 <= at - self._sharpness_at < _SHARPNESS_EVERY_S:
            self._sharpness, self._sharpness_at = sharpness(now.rows), at
        if self._usual is None or now.brightest < 2 * _BLACK_LEVEL:
            return None
        usual_sharpness, usual_spread = self._usual
        # The spread of cells falls with the light, so it is compared relative to the brightness.
        keeps_scene = now.spread / now.brightest >= _SPREAD_SHARE * usual_spread
        if self._sharpness is None:
            if not keeps_scene:
                return PictureFault.COVERED
            # In weak light a sharp scene has no strong edges either.
            return PictureFault.BLURRED if now.spread > 3 * _STRONG_EDGE else None
        is_blurred = keeps_scene and self._sharpness < _BLURRED_SHARE * usual_sharpness
        return PictureFault.BLURRED if is_blurred else None

    def _is_frozen(self, rows: GreyRows, at: float) -> bool:
        previous, self._previous = self._previous, rows
        if previous is None or not np.array_equal(previous, rows):
            if self._same >= _FROZEN_PICTURES:
                lasted = 2 * (at - self._same_since)
                self._frozen_after_s = min(max(self._frozen_after_s, lasted), _LONGEST_FROZEN_S)
            self._same_since = at
            self._same = 0
            return False
        self._same += 1
        return self._same >= _FROZEN_PICTURES and at - self._same_since >= self._frozen_after_s

    def _settle(self, suspected: PictureFault | None, now: float) -> None:
        """Begin a fault that lasts, and end one that is over."""
        if suspected is not self._suspected:
            self._suspected, self._since = suspected, now
        lasted = now - self._since
        if suspected is None:
            is_over = lasted >= _GOOD_S or self._fault is PictureFault.FROZEN
            changed = self._fault is not None and is_over
        else:
            needed = 0.0 if suspected is PictureFault.FROZEN else _AFTER_S
            changed = suspected is not self._fault and lasted >= needed
        if changed:
            self._fault = suspected
            self._on_change(suspected)

    def _learn(self, now: Measures, at: float) -> None:
        """Keep one sample in each second, of a scene that has edges."""
        if self._learnt_at is not None and 0 <= at - self._learnt_at < 1:
            return
        self._learnt_at = at
        if self._sharpness is None:
            return
        self._sharpnesses.append(self._sharpness)
        self._spreads.append(now.spread / max(now.brightest, 1.0))
        if len(self._sharpnesses) >= _USUAL_SAMPLES:
            self._usual = statistics.median(self._sharpnesses), statistics.median(self._spreads)
