"""The camera: reads frames with their capture times from a source, in a thread of its own.

A live source (a device, an address) never waits for its reader: the newest frame wins, and a frame
that nobody took in time is dropped and counted. A live source that vanishes is opened again, with
growing pauses, until it returns. A finite source (a file, a folder) ends.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

import cv2
import numpy as np
import structlog
import tenacity

from cloud.contract import CameraState
from edge.capture.arrival import Arrivals
from edge.capture.protocol import Capture
from edge.capture.sources import PictureFiles, Source, SourceKind
from edge.errors import SourceEmptyError, SourceError, SourceUnreadableError
from edge.settings import Pace
from edge.stages import Stage, Stages
from edge.values import Frame, Image

LOOP_PAUSE_S = 3.0
"""Seconds between two rounds of a looped source. They part the people at its end from the people at
its beginning: sightings of the one round do not go on in the next."""

_STOP_S = 1.0
"""Seconds to wait at the end for a read that is under way. A network that hangs would keep it for
longer, so such a read is abandoned."""

_ROTATIONS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}

_SHORTEST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0

_log = structlog.get_logger(__name__)


class Camera:
    """Reads a source until it ends or is stopped.

    Use it as a context manager, and iterate over `frames`.

    Args:
        source: Where the pictures come from.
        pace: How a finite source is played.
        folder_fps: Pictures per second of a folder.
        loop: Whether a finite source is played again and again.
        opener: Opens the source; None for `source.open`.
        pause_s: First and longest pause between attempts to open a live source that is away, in
            seconds.
        stages: Get notice of each attempt to open the source, and of each read.
        rotate: Degrees clockwise by which each picture is turned: 0, 90, 180 or 270.
        waits_at_start: Whether a device of this machine that cannot be opened at the start is tried
            again and again, as it is later. Otherwise that is an error.

    Attributes:
        source: Where the pictures come from.
        dropped: How many frames were read and never taken.
    """

    def __init__(
        self,
        source: Source,
        *,
        pace: Pace = Pace.REALTIME,
        folder_fps: float = 10.0,
        loop: bool = False,
        opener: Callable[[], Capture] | None = None,
        pause_s: tuple[float, float] = (_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S),
        stages: Stages | None = None,
        rotate: int = 0,
        waits_at_start: bool = False,
    ) -> None:
        self.source = source
        self._pace = pace
        self._folder_fps = folder_fps
        self._loop = loop
        self._open = opener if opener is not None else source.open
        self._pause_s = pause_s
        self._rotation = _ROTATIONS.get(rotate)
        self._stages = stages if stages is not None else Stages()
        self._own_stages = Stages()
        self._waits_at_start = waits_at_start
        self._stop = threading.Event()
        self._reader_ready = threading.Event()
        self._changed = threading.Condition()
        self._newest: Frame | None = None
        self._over = False
        self._failure: Exception | None = None
        self._state = CameraState.RECONNECTING
        self._finished = False
        self._count = 0
        self._last_at: datetime | None = None
        self._clip_begins_s = 0.0
        self._silent_since: float | None = None
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._thread.join(_STOP_S)

    @property
    def state(self) -> CameraState:
        """Live after a frame was read, reconnecting while there is none, ended at the end."""
        return self._state

    @property
    def finished(self) -> bool:
        """Whether a finite source was read to its end; False if it was stopped or failed."""
        return self._finished

    @property
    def stopped(self) -> bool:
        """Whether somebody stopped the camera; False if its source ended."""
        return self._stop.is_set()

    @property
    def silent_s(self) -> float:
        """Seconds for which the source has sent no new picture; 0 while the reader is awaited.

        A picture that was held back on its way is not new.
        """
        since = self._silent_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def reading_s(self) -> float:
        """Seconds of the present call that opens or reads the source; 0 if there is none."""
        return self._own_stages.busy_s(Stage.READ)

    @property
    def hangs(self) -> bool:
        """Whether a read is still under way, although the camera was stopped."""
        return self._stop.is_set() and self._thread.is_alive()

    def stop(self) -> None:
        """Stop reading, and end the iteration over `frames`. May be called from any thread."""
        self._stop.set()
        self._reader_ready.set()
        with self._changed:
            self._changed.notify_all()

    def frames(self) -> Iterator[Frame]:
        """Wait for frames, until the source ends or the camera is stopped.

        Yields:
            Each frame once.

        Raises:
            SourceError: The source failed for good.
        """
        while True:
            with self._changed:
                while self._newest is None and not self._over and not self._stop.is_set():
                    self._changed.wait()
                if self._stop.is_set():
                    return
                frame, self._newest = self._newest, None
                self._changed.notify_all()
            if frame is None:
                if self._failure is not None:
                    raise self._failure
                return
            yield frame
            self._reader_ready.set()

    def take_newest(self) -> Frame | None:
        """Return a frame that nobody has taken yet; None if there is none now."""
        with self._changed:
            if self._stop.is_set():
                return None
            frame, self._newest = self._newest, None
            self._changed.notify_all()
        return frame

    def _run(self) -> None:
        self._silent_since = time.monotonic()
        try:
            if self.source.kind.live:
                self._read_live_source()
            else:
                self._play_finite_source()
                self._finished = not self._stop.is_set()
        except Exception as error:  # noqa: BLE001 - not swallowed: `frames` raises it
            self._failure = error
        finally:
            self._state = CameraState.ENDED
            self._silent_since = None
            with self._changed:
                self._over = True
                self._changed.notify_all()

    def _publish(
        self, image: Image, at: datetime, *, may_drop: bool, time_s: float | None = None
    ) -> None:
        self._silent_since = None
        read_at = time.monotonic()
        frame = Frame(image, at, self._count, read_at, read_at if time_s is None else time_s)
        self._count += 1
        self._last_at = at
        self._state = CameraState.LIVE
        with self._changed:
            while not may_drop and self._newest is not None and not self._stop.is_set():
                self._changed.wait()
            if self._newest is not None:
                self.dropped += 1
            self._newest = frame
            self._changed.notify_all()
        self._silent_since = time.monotonic()

    def _next_picture(self, capture: Capture) -> Image | None:
        with self._reading():
            image = capture.read()
        if image is None or self._rotation is None:
            return image
        return np.asarray(cv2.rotate(image, self._rotation), dtype=np.uint8)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with self._stages.doing(Stage.READ), self._own_stages.doing(Stage.READ):
            yield

    # Live sources

    def _read_live_source(self) -> None:
        """Read a live source, and open it again whenever it vanishes."""
        # If a camera of this machine cannot be opened at the start, somebody can mend that now. A
        # network camera may just be starting, too.
        is_error = self.source.kind is SourceKind.DEVICE and not self._waits_at_start
        connected = self._connect() if is_error else self._reconnect()
        while connected is not None:
            capture, first = connected
            image: Image | None = first
            arrivals = Arrivals()
            try:
                while image is not None and not self._stop.is_set():
                    if not arrivals.is_old(time.monotonic()):
                        self._publish(image, datetime.now(UTC), may_drop=True)
                    image = self._next_picture(capture)
            except SourceError as error:
                _log.warning("camera_failed", source=str(self.source), error=str(error))
            finally:
                capture.close()
            if self._stop.is_set():
                return
            self._state = CameraState.RECONNECTING
            _log.warning("camera_vanished", source=str(self.source))
            self._stop.wait(self._pause_s[0])
            connected = self._reconnect()
            if connected is not None:
                _log.info("camera_returned", source=str(self.source))

    def _connect(self) -> tuple[Capture, Image]:
        with self._reading():
            capture = self._open()
        try:
            image = self._next_picture(capture)
        except SourceError:
            capture.close()
            raise
        if image is None:
            capture.close()
            raise SourceUnreadableError(
                f"camera {self.source} can be opened, but sends no picture",
                "Check that the camera is switched on, and that no other program uses it",
            )
        return capture, image

    def _reconnect(self) -> tuple[Capture, Image] | None:
        """Open the source again, however long that takes; return None if the camera is stopped."""
        shortest, longest = self._pause_s
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(SourceError),
            wait=tenacity.wait_random_exponential(multiplier=shortest * 2, max=longest),
            stop=tenacity.stop_when_event_set(self._stop),
            sleep=tenacity.sleep_using_event(self._stop),
            before_sleep=self._log_retry,
            retry_error_callback=lambda _state: None,
        )
        return retrying(lambda: None if self._stop.is_set() else self._connect())

    def _log_retry(self, attempt: tenacity.RetryCallState) -> None:
        # Only attempts 1, 2, 4, 8 … are logged: about ten lines for a night without the camera.
        if attempt.attempt_number.bit_count() > 1:
            return
        error = attempt.outcome.exception() if attempt.outcome is not None else None
        _log.warning(
            "camera_away",
            source=str(self.source),
            error=str(error),
            attempt=attempt.attempt_number,
            next_try_s=round(attempt.upcoming_sleep, 1),
        )

    # Finite sources

    def _play_finite_source(self) -> None:
        """Read a finite source to its end, once or again and again."""
        while not self._stop.is_set():
            self._play_once()
            if not self._loop:
                return
            self._silent_since = None
            self._stop.wait(LOOP_PAUSE_S)

    def _play_once(self) -> None:
        with self._reading():
            capture = self._open()
        try:
            fps = capture.fps or self._folder_fps
            begun = time.monotonic()
            start = self._start_time(capture, fps)
            first = not self._reader_ready.is_set()
            may_drop = self._pace is Pace.REALTIME and self.source.kind is SourceKind.VIDEO
            played = 0
            offset = 0.0
            while not self._stop.is_set() and (image := self._next_picture(capture)) is not None:
                offset = self._offset(capture, offset, fps) if played else 0.0
                if self._pace is Pace.REALTIME:
                    self._stop.wait(max(0.0, begun + offset - time.monotonic()))
                self._publish(
                    image,
                    start + timedelta(seconds=offset),
                    may_drop=may_drop,
                    time_s=self._clip_begins_s + offset,
                )
                played += 1
                if first and self._pace is Pace.REALTIME:
                    # After the first frame the reader may compile models. The clip waits for that,
                    # and then plays from here.
                    first = False
                    self._silent_since = None
                    self._reader_ready.wait()
                    begun = time.monotonic() - offset
                    start = datetime.now(UTC) - timedelta(seconds=offset)
            self._clip_begins_s += offset + 1 / fps + LOOP_PAUSE_S
        finally:
            capture.close()
        if self._stop.is_set():
            return
        if isinstance(capture, PictureFiles):
            for error in capture.unreadable:
                _log.warning("picture_unreadable", error=str(error))
        elif not played:
            raise SourceEmptyError(f"video {self.source} holds no frame", "Choose another file")
        elif capture.length is not None and played < 0.9 * capture.length:
            _log.warning(
                "video_cut_short", source=str(self.source), frames=played, announced=capture.length
            )

    @staticmethod
    def _offset(capture: Capture, before: float, fps: float) -> float:
        """Return the time of a picture within its clip, in seconds.

        A variable frame rate (phones, screen recordings) is in the container's times alone. Where
        these do not increase, the mean rate counts.
        """
        position = capture.position_s
        return position if position is not None and position > before else before + 1 / fps

    def _start_time(self, capture: Capture, fps: float) -> datetime:
        """Return the capture time of the first frame.

        A source that is played as if it were live begins now. A source that is judged as fast as
        possible ends now, so that no event lies in the future.
        """
        start = datetime.now(UTC)
        if self._pace is Pace.EVERY_FRAME and capture.length is not None:
            start -= timedelta(seconds=capture.length / fps)
        if self._last_at is not None:
            start = max(start, self._last_at + timedelta(seconds=LOOP_PAUSE_S))
        return start
