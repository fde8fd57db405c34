"""The preview: pictures for an operator who watches the gate, with blurred faces by default."""

import threading
import time
from collections.abc import Sequence

import cv2
import structlog

from cloud.contract import Label
from edge.delivery.client import Client
from edge.errors import CloudError, PreviewUnwantedError
from edge.settings import PreviewMode
from edge.values import Box, Face, Frame, Image, Judgement

_log = structlog.get_logger(__name__)

EVERY_S = 0.2
"""Least seconds between two pictures."""

LONGEST_SIDE = 960
"""Longest side of a preview in pixels: enough to see where a camera looks, and small enough for
the cloud's limit."""

BLUR_SCORE = 0.05
"""Least score of a box that is blurred; it is low, because one box too many does no harm."""

_MARGIN = 0.35
"""Share of a box's sides that is blurred around it: ears and hair identify people, too."""

_BLOCKS = 6
"""Blocks across a blurred face; to recognise a person several times as many pixels are needed."""


# BGR
COLOURS = {
    Label.WITH_MASK: (80, 175, 76),
    Label.WITHOUT_MASK: (54, 67, 244),
    Label.INCORRECT_MASK: (0, 152, 255),
}


class Preview:
    """Sends pictures while somebody watches, in a thread of its own.

    Args:
        client: With the device's key.
        mode: Whether pictures may leave the device, and whether faces are blurred.
    """

    def __init__(self, client: Client, mode: PreviewMode) -> None:
        self._client = client
        self._mode = mode
        self._wanted = threading.Event()
        self._stop = threading.Event()
        self._newest: tuple[Frame, Sequence[Face], Sequence[Judgement]] | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._send_all, name="preview", daemon=True)

    @property
    def wanted(self) -> bool:
        """Whether somebody watches."""
        return self._wanted.is_set()

    def start(self) -> None:
        """Start the thread, if pictures may leave this device."""
        if self._mode is not PreviewMode.OFF:
            self._thread.start()

    def stop(self) -> None:
        """Stop the thread."""
        self._stop.set()
        self._wanted.clear()
        with self._changed:
            self._changed.notify_all()

    def request(self) -> None:
        """Begin to send pictures, because somebody watches."""
        if self._mode is PreviewMode.OFF:
            _log.info("preview_refused", mend="EDGE_PREVIEW=allowed lets pictures leave the device")
            return
        self._wanted.set()

    def offer(self, frame: Frame, faces: Sequence[Face], judgements: Sequence[Judgement]) -> None:
        """Offer a frame to be sent; the newest frame wins.

        Args:
            frame: That was judged.
            faces: All boxes with a score of BLUR_SCORE or more.
            judgements: Of the faces that were judged.
        """
        with self._changed:
            self._newest = (frame, faces, judgements)
            self._changed.notify_all()

    def _send_all(self) -> None:
        while not self._stop.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._newest is not None or self._stop.is_set())
                newest, self._newest = self._newest, None
            if newest is None:
                return
            if not self.wanted:
                continue
            began = time.monotonic()
            try:
                self._client.send_preview(annotated_jpeg(*newest, self._mode))
            except PreviewUnwantedError as error:
                _log.info("preview_ends", reason=error.problem)
                self._wanted.clear()
            except CloudError as error:
                _log.debug("preview_lost", error=str(error))
                self._wanted.clear()
            self._stop.wait(max(0.0, EVERY_S - (time.monotonic() - began)))


def annotated_jpeg(
    frame: Frame, faces: Sequence[Face], judgements: Sequence[Judgement], mode: PreviewMode
) -> bytes:
    """Encode a frame as JPEG, with a box around each judged face.

    Args:
        frame: Of the camera.
        faces: Are blurred, unless `mode` is FACES.
        judgements: Are drawn as boxes in the colour of their label.
        mode: ALLOWED or FACES.

    Returns:
        The JPEG.
    """
    image = frame.image.copy()
    if mode is not PreviewMode.FACES:
        for face in faces:
            blur(image, face.box)
    for judged in judgements:
        box = judged.face.box
        corners = (round(box.x0), round(box.y0)), (round(box.x1), round(box.y1))
        cv2.rectangle(image, *corners, COLOURS[judged.label], 2)
    scale = min(1.0, LONGEST_SIDE / max(image.shape[:2]))
    sent = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", sent, [cv2.IMWRITE_JPEG_QUALITY, 70])[1].tobytes()


def blur(image: Image, box: Box) -> None:
    """Replace a face and a margin around it by a few blocks of one colour each, in place."""
    height, width = image.shape[:2]
    across, down = box.width * _MARGIN, box.height * _MARGIN
    x0, x1 = max(0, round(box.x0 - across)), min(width, round(box.x1 + across))
    y0, y1 = max(0, round(box.y0 - down)), min(height, round(box.y1 + down))
    if x1 <= x0 or y1 <= y0:
        return
    small = cv2.resize(image[y0:y1, x0:x1], (_BLOCKS, _BLOCKS), interpolation=cv2.INTER_AREA)
    image[y0:y1, x0:x1] = cv2.resize(small, (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST)
