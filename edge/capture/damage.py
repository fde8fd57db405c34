"""Damaged packets of a stream: they are skipped, and the stream is read on."""

import time
from typing import Final

import structlog

from edge.capture.protocol import Capture
from edge.values import Image

MOST_DAMAGED: Final = 1_000
"""Packets in a row that cannot be decoded, after which a source counts as ended: 40 s at 25
frames/s. At the end of a source OpenCV fails as often within milliseconds."""

LONGEST_DAMAGE_S: Final = 2.0
"""Seconds without a picture after which a network stream is opened again: its codec may have
changed for good."""

_log = structlog.get_logger(__name__)


class DamageSkipper:
    """Reads a source on behind the packets that cannot be decoded, and logs the first of them.

    OpenCV returns no picture at the end of a source, and no picture for a damaged packet. The next
    call tells them apart: behind a damaged packet, it returns the next picture.

    Args:
        capture: A file or a network stream, opened by OpenCV.
        name: The source as it may be shown.
        live: Whether it is a network stream.
    """

    def __init__(self, capture: Capture, name: str, *, live: bool) -> None:
        self._capture = capture
        self._name = name
        self._live = live
        self._is_told = False

    @property
    def fps(self) -> float | None:
        """The source's own frame rate; None if it has none."""
        return self._capture.fps

    @property
    def length(self) -> int | None:
        """Number of all frames; None if it is not known."""
        return self._capture.length

    @property
    def position_s(self) -> float | None:
        """Time of the last picture within the source, in seconds; None if it has none."""
        return self._capture.position_s

    def read(self) -> Image | None:
        """Return the next picture that can be decoded; None at the end."""
        begun = time.monotonic()
        for damaged in range(MOST_DAMAGED + 1):
            image = self._capture.read()
            if image is not None:
                if damaged and not self._is_told:
                    self._is_told = True
                    tell_damage(self._name, damaged)
                return image
            if self._live and time.monotonic() - begun > LONGEST_DAMAGE_S:
                break
        return None

    def close(self) -> None:
        """Close the source."""
        self._capture.close()


def tell_damage(name: str, packets: int) -> None:
    """Log that packets of a source cannot be decoded, and were skipped.

    Args:
        name: The source as it may be shown.
        packets: How many were skipped in a row.
    """
    _log.warning("stream_damaged", source=name, packets=packets)
