"""Interlaced video, which OpenCV 4.13 and later do not convert to BGR.

FFmpeg's libswscale refuses to convert an interlaced picture to a progressive one. OpenCV ignores
the refusal: it gives out a black picture, or the picture before. PyAV has FFmpeg's filters, and
one of them makes progressive pictures of interlaced ones.
"""

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np
import structlog

from edge.capture.damage import MOST_DAMAGED, tell_damage
from edge.capture.protocol import Capture
from edge.errors import SourceUnreadableError
from edge.values import Image

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.filter import Graph
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_log = structlog.get_logger(__name__)

_PROBED_FRAMES: Final = 10
"""Frames that are decoded to find out whether a video is interlaced."""

_ROWS: Final = 24
"""Rows of each picture that are compared with the picture before."""

_REPEATED_PICTURES: Final = 5
"""Equal pictures, one after the other, after which the decoder is suspected. Black needs one."""

_MOST_PROBES: Final = 3
"""Probes of one open source: a static scene of a progressive camera repeats, too."""

_TIMEOUT_S: Final = (8.0, 8.0)
"""Seconds to open a network stream, and to read from it."""


class DeinterlacedVideo:
    """A video or a network stream, decoded by PyAV and made progressive by FFmpeg's `yadif`.

    `yadif` (yet another deinterlacing filter) makes one picture of two fields, and leaves
    progressive frames alone. It holds back one frame.

    Args:
        address: A path or an address.
        name: The address as it may be shown: without a password.
        live: Whether it is a network stream. Such a stream has no times of its own.
        after_s: Time of the last picture that is not wanted, in seconds; None to begin at the
            beginning.

    Attributes:
        fps: The mean frame rate; None if it is not known.
        length: Number of all frames; None if it is not known.
        position_s: Time of the last picture, in seconds; None for a network stream.
        is_interlaced: Whether one of the first frames is interlaced.

    Raises:
        SourceUnreadableError: It cannot be opened.
        ImportError: PyAV is not installed.
    """

    def __init__(
        self, address: str, name: str, *, live: bool, after_s: float | None = None
    ) -> None:
        # PyAV loads an FFmpeg of its own. Most cameras are progressive, and need no second one.
        import av  # noqa: PLC0415

        self._failures: tuple[type[Exception], ...] = (av.FFmpegError, ValueError)
        self._damage: type[Exception] = av.InvalidDataError
        self._no_frame: tuple[type[Exception], ...] = (BlockingIOError, av.EOFError)
        self._name = name
        self._live = live
        self._after_s = after_s
        self.position_s: float | None = None
        try:
            self._container: InputContainer = av.open(
                address,
                # As OpenCV does: over UDP, pictures arrive damaged.
                options={"rtsp_transport": "tcp"} if address.lower().startswith("rtsp") else {},
                timeout=_TIMEOUT_S if live else None,
            )
        except self._failures as error:
            raise self._unreadable(error) from error
        try:
            stream = self._container.streams.video[0]
            stream.thread_type = "AUTO"
            rate = stream.average_rate
            self.fps = float(rate) if rate else None
            self.length = stream.frames or None
            begins = stream.start_time if stream.start_time and stream.time_base else 0
            self._begins_s = float(begins * (stream.time_base or 0))
            if after_s is not None:
                self._container.seek(int((after_s + self._begins_s) * av.time_base))
            self._decoded: Iterator[VideoFrame] = self._undamaged(stream)
            first = [frame for _, frame in zip(range(_PROBED_FRAMES), self._decoded, strict=False)]
        except (*self._failures, IndexError) as error:
            self._container.close()
            raise self._unreadable(error) from error
        self.is_interlaced = any(frame.interlaced_frame for frame in first)
        self._pictures = self._progressive(first)

    def read(self) -> Image | None:
        """Return the next picture; None at the end.

        Returns:
            The picture in BGR.

        Raises:
            SourceUnreadableError: The stream failed, or holds something that is no video.
        """
        try:
            for frame in self._pictures:
                time_s = None if frame.time is None else frame.time - self._begins_s
                if self._after_s is not None and time_s is not None and time_s <= self._after_s:
                    continue
                self.position_s = None if self._live else time_s
                return np.asarray(frame.to_ndarray(format="bgr24"), dtype=np.uint8)
        except self._failures as error:
            raise self._unreadable(error) from error
        return None

    def close(self) -> None:
        """Close the file or the connection."""
        self._container.close()

    def _undamaged(self, stream: "VideoStream") -> Iterator["VideoFrame"]:
        """Decode the packets of a stream, and skip those that cannot be decoded."""
        damaged = 0
        is_told = False
        for packet in self._container.demux(stream):
            try:
                frames = packet.decode()
            except self._damage:
                damaged += 1
                if damaged > MOST_DAMAGED:
                    raise
                continue
            if frames and damaged:
                if not is_told:
                    is_told = True
                    tell_damage(self._name, damaged)
                damaged = 0
            yield from frames

    def _progressive(self, first: list["VideoFrame"]) -> Iterator["VideoFrame"]:
        graph: Graph | None = None
        kind: object = None
        for frames in (iter(first), self._decoded):
            for frame in frames:
                # A stream may change its size.
                if graph is None or kind != (frame.width, frame.height, frame.format.name):
                    kind = (frame.width, frame.height, frame.format.name)
                    graph = _yadif(frame)
                graph.vpush(frame)
                yield from self._finished(graph)
        if graph is not None:
            graph.vpush(None)
            yield from self._finished(graph)

    def _finished(self, graph: "Graph") -> Iterator["VideoFrame"]:
        while True:
            try:
                frame = graph.vpull()
            except self._no_frame:
                return
            yield frame

    def _unreadable(self, error: Exception) -> SourceUnreadableError:
        # The text of PyAV's errors holds the address with its password; `strerror` does not.
        why = getattr(error, "strerror", None) or type(error).__name__
        return SourceUnreadableError(f"video {self._name} cannot be decoded by PyAV: {why}")


class InterlaceFallback:
    """Reads a source by OpenCV, and by PyAV as soon as its video turns out to be interlaced.

    The decoder is suspected when it gives out a picture that is black to the last bit, or the same
    picture again and again. Then a second connection looks whether the video is interlaced. The
    first picture may be anything, so it is held back until the second one differs.

    Args:
        first: The source, opened by OpenCV.
        reopen: Opens the source by PyAV, after a time in seconds; None for its beginning.
        name: The source as it may be shown.

    Attributes:
        position_s: Time of the last picture within the source, in seconds; None if it has none.
    """

    def __init__(
        self,
        first: Capture,
        reopen: Callable[[float | None], DeinterlacedVideo],
        name: str,
    ) -> None:
        self._capture = first
        self._reopen = reopen
        self._name = name
        self._probes_left = _MOST_PROBES
        self._rows: Image | None = None
        self._same = 0
        self._is_begun = False
        self._second: tuple[Image, float | None] | None = None
        self.position_s: float | None = None

    @property
    def fps(self) -> float | None:
        """The source's own frame rate; None if it has none."""
        return self._capture.fps

    @property
    def length(self) -> int | None:
        """Number of all frames; None if it is not known."""
        return self._capture.length

    def read(self) -> Image | None:
        """Return the next picture; None at the end."""
        if not self._is_begun:
            self._is_begun = True
            return self._first()
        if self._second is not None:
            (second, self.position_s), self._second = self._second, None
            return second
        before_s = self.position_s
        image = self._next()
        if image is None or not self._probes_left:
            return image
        is_repeated = self._is_repeated(image) and self._same == _REPEATED_PICTURES
        if (is_repeated or _is_zero(image)) and self._change_decoder(before_s):
            return self._next()
        return image

    def close(self) -> None:
        """Close the source."""
        self._capture.close()

    def _first(self) -> Image | None:
        image = self._next()
        if image is None:
            return None
        position_s = self.position_s
        self._is_repeated(image)
        second = self._next()
        is_suspect = _is_zero(image) or (second is not None and self._is_repeated(second))
        if is_suspect and self._change_decoder(None):
            return self._next()
        if second is not None:
            self._second = second, self.position_s
        self.position_s = position_s
        return image

    def _next(self) -> Image | None:
        image = self._capture.read()
        self.position_s = self._capture.position_s
        return image

    def _is_repeated(self, image: Image) -> bool:
        """Return whether the picture equals the one before."""
        rows = _some_rows(image)
        before, self._rows = self._rows, rows
        is_repeated = before is not None and np.array_equal(before, rows)
        self._same = self._same + 1 if is_repeated else 0
        return is_repeated

    def _change_decoder(self, after_s: float | None) -> bool:
        """Change to PyAV if the video is interlaced, and return whether it is."""
        self._probes_left -= 1
        try:
            video = self._reopen(after_s)
        except ImportError:
            _log.warning("decoder_missing", decoder="PyAV", mend="Install the package `av`")
            self._probes_left = 0
            return False
        except SourceUnreadableError as error:
            _log.warning("decoder_failed", decoder="PyAV", error=str(error))
            return False
        if not video.is_interlaced:
            video.close()
            return False
        self._probes_left = 0
        self._capture.close()
        self._capture = video
        _log.warning("decoder_changed", source=self._name, decoder="PyAV", reason="interlaced")
        return True


def _some_rows(image: Image) -> Image:
    return image[:: max(1, image.shape[0] // _ROWS)]


def _is_zero(image: Image) -> bool:
    return not _some_rows(image).any() and not image.any()


def _yadif(frame: "VideoFrame") -> "Graph":
    """Return the filter for frames of one size and format."""
    from av.filter import Graph  # noqa: PLC0415

    graph = Graph()
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base or Fraction(1, 90_000),
    )
    # One picture of each frame, not of each field; only of frames that are marked as interlaced.
    filters = [graph.add("yadif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")]
    graph.link_nodes(source, *filters).configure()
    return graph
