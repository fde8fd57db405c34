"""QR codes in pictures: found by ZXing, in several tries for each picture."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

from edge.values import Image

Grey = NDArray[np.integer[Any] | np.floating[Any]]

_QR_CODES = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)

_SMALL_CODE_FACTOR = 2.0
"""Enlargement for codes whose modules are smaller than two pixels."""

_LOCAL_CONTRAST = 3.0
"""Clip limit of CLAHE (Zuiderveld, Contrast limited adaptive histogram equalization, 1994). It
reads a dim screen before a bright window."""

AWAY_S = 2.0
"""Seconds for which a code must be out of sight before the same code is a new attempt."""


def codes_in(image: Image) -> list[str]:
    """Read the QR codes of a picture.

    Args:
        image: BGR, shape (height, width, 3), 0…255.

    Returns:
        The texts, each once, in the order in which they were found; empty if no code is seen.
    """
    grey: Grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    for tried in _tries(grey):
        # ZXing itself also tries the picture rotated, smaller and inverted.
        found = zxingcpp.read_barcodes(tried, formats=_QR_CODES)
        texts = [code.text for code in found if code.valid and code.text]
        if texts:
            return list(dict.fromkeys(texts))
    return []


def _tries(grey: Grey) -> Iterator[Grey]:
    yield grey
    yield cv2.resize(
        grey, None, fx=_SMALL_CODE_FACTOR, fy=_SMALL_CODE_FACTOR, interpolation=cv2.INTER_CUBIC
    )
    yield cv2.createCLAHE(clipLimit=_LOCAL_CONTRAST, tileGridSize=(8, 8)).apply(grey)


class SeenCodes:
    """Makes one attempt of a code that a camera sees in many frames.

    Args:
        away_s: Seconds out of sight after which the same code is a new attempt.
        clock: Returns monotonic seconds.
    """

    def __init__(self, away_s: float = AWAY_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._away_s = away_s
        self._clock = clock
        self._last_seen: dict[str, float] = {}

    def new_in(self, texts: list[str]) -> list[str]:
        """Return the codes of a frame that were out of sight before."""
        now = self._clock()
        self._last_seen = {
            text: seen for text, seen in self._last_seen.items() if now - seen < self._away_s
        }
        new = [text for text in texts if text not in self._last_seen]
        self._last_seen.update(dict.fromkeys(texts, now))
        return new
