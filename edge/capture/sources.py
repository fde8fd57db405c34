"""Sources of frames: cameras, addresses, videos and pictures, opened by OpenCV or PyAV."""

import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import cv2
import numpy as np
import structlog

from edge.capture.connection_faults import connection_fault
from edge.capture.damage import DamageSkipper
from edge.capture.interlaced import DeinterlacedVideo, InterlaceFallback
from edge.capture.protocol import Capture
from edge.errors import (
    SourceEmptyError,
    SourceError,
    SourceMissingError,
    SourceUnreadableError,
)
from edge.redaction.addresses import HOW_TO_ENCODE, Address, redacted
from edge.values import Image

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"),
        *(".avif", ".gif", ".jp2"),
    }
)
"""Suffixes of the files that count as pictures; OpenCV decodes all of them."""

UNREAD_SUFFIXES = frozenset({".heic", ".heif", ".jxl", ".dng", ".cr2", ".nef", ".arw"})
"""Suffixes of pictures that OpenCV does not decode: they are named, and not passed over in
silence."""

_log = structlog.get_logger(__name__)

_OPEN_TIMEOUT_MS = 8_000
_READ_TIMEOUT_MS = 8_000
_DEFAULT_FPS = 25.0
"""Frame rate of a video whose file does not name it."""


class SourceKind(Enum):
    """The kinds of source."""

    DEVICE = "device"
    ADDRESS = "address"
    VIDEO = "video"
    PICTURES = "pictures"

    @property
    def live(self) -> bool:
        """Whether a source of this kind never ends, and may vanish and return."""
        return self in {SourceKind.DEVICE, SourceKind.ADDRESS}


@dataclass(frozen=True, slots=True)
class Source:
    """A source of a known kind; a path exists.

    Attributes:
        kind: Of this source.
        text: The source as it was given; may hold a password.
    """

    kind: SourceKind
    text: str

    @classmethod
    def parse(cls, text: str, *, may_be_away: bool = False) -> "Source":
        """Find out the kind of a source.

        Args:
            text: A camera index, a /dev path, an address, a video file, a picture or a folder.
            may_be_away: Whether a camera of this machine may be unplugged now.

        Returns:
            The source with its kind.

        Raises:
            SourceMissingError: The device, file or folder does not exist.
            SourceUnreadableError: The address has an unknown scheme.
        """
        if "://" in text:
            address = Address.cut(text)
            if address is None or address.scheme not in {"rtsp", "rtsps", "http", "https"}:
                raise SourceUnreadableError(
                    f"source {redacted(text)} has an unknown scheme",
                    "Use an rtsp://, rtsps://, http:// or https:// address, a file or a folder",
                )
            return cls(SourceKind.ADDRESS, text)
        device = Path(f"/dev/video{int(text)}") if text.isdecimal() else Path(text)
        if not device.exists():
            is_camera = str(device).startswith("/dev/")
            if is_camera and may_be_away:
                return cls(SourceKind.DEVICE, text)
            mend = (
                "Plug the camera in, or name another with EDGE_SOURCE or --source"
                if is_camera
                else "Check the path given with EDGE_SOURCE or --source"
            )
            raise SourceMissingError(f"source {redacted(str(device))} does not exist", mend)
        if device.is_char_device():
            return cls(SourceKind.DEVICE, text)
        if device.is_dir() or device.suffix.lower() in IMAGE_SUFFIXES:
            return cls(SourceKind.PICTURES, text)
        return cls(SourceKind.VIDEO, text)

    @property
    def advice(self) -> str:
        """How to encode the address, if its login holds reserved characters; otherwise empty."""
        address = Address.cut(self.text) if self.kind is SourceKind.ADDRESS else None
        if address is None or address.is_encoded:
            return ""
        if address.is_clear:
            return HOW_TO_ENCODE
        return f"The address can be read in two ways, so its host may be wrong. {HOW_TO_ENCODE}"

    def __str__(self) -> str:
        return redacted(self.text) if self.kind is SourceKind.ADDRESS else self.text

    def __repr__(self) -> str:
        return f"Source({self.kind}, {self})"

    def open(self) -> Capture:
        """Open the source.

        Returns:
            The open source.

        Raises:
            SourceMissingError: The source no longer exists.
            SourceUnreadableError: The source cannot be opened.
            SourceEmptyError: The source holds no frame.
        """
        if self.kind is SourceKind.PICTURES:
            return PictureFiles(picture_files(Path(self.text)))
        capture = _OpenCvCapture(self)
        if self.kind is SourceKind.DEVICE:
            return capture
        skipper = DamageSkipper(capture, str(self), live=self.kind.live)
        return InterlaceFallback(skipper, self._deinterlaced, str(self))

    def _deinterlaced(self, after_s: float | None) -> DeinterlacedVideo:
        return DeinterlacedVideo(self._address, str(self), live=self.kind.live, after_s=after_s)

    @property
    def _address(self) -> str:
        """The path, or the address with its reserved characters encoded."""
        address = Address.cut(self.text) if self.kind is SourceKind.ADDRESS else None
        return self.text if address is None else address.encoded()


def picture_files(path: Path) -> list[Path]:
    """List the pictures of a folder.

    Args:
        path: A folder, or one picture.

    Returns:
        The pictures in natural order (2 before 10); the picture alone if `path` is one.

    Raises:
        SourceMissingError: The path does not exist.
        SourceUnreadableError: The folder may not be read.
        SourceEmptyError: The folder holds no picture.
    """
    if path.is_file():
        return [path]
    try:
        files = [p for p in path.iterdir() if p.is_file()]
    except FileNotFoundError as error:
        raise SourceMissingError(f"{path} does not exist", "Check the path") from error
    except OSError as error:
        raise SourceUnreadableError(f"{path} cannot be read: {error.strerror}") from error
    inside = [p for p in files if p.suffix.lower() in IMAGE_SUFFIXES]
    if unread := [p.suffix.lower() for p in files if p.suffix.lower() in UNREAD_SUFFIXES]:
        _log.warning(
            "pictures_not_read",
            folder=str(path),
            count=len(unread),
            kinds=sorted(set(unread)),
            mend="Convert them to JPEG or PNG",
        )
    if not inside:
        raise SourceEmptyError(
            f"folder {path} holds no picture",
            f"Pictures end in one of {' '.join(sorted(IMAGE_SUFFIXES))}",
        )
    return sorted(inside, key=_natural)


def read_picture(path: Path) -> Image:
    """Decode a picture file, and turn it upright by its EXIF orientation, as picture viewers do.

    Args:
        path: Of the file.

    Returns:
        The picture in BGR; a grey or transparent picture is converted.

    Raises:
        SourceMissingError: The file does not exist.
        SourceUnreadableError: The file cannot be read, or OpenCV cannot decode it.
    """
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError as error:
        raise SourceMissingError(f"{path} does not exist") from error
    except OSError as error:
        raise SourceUnreadableError(f"{path} cannot be read: {error.strerror}") from error
    try:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error as error:
        raise SourceUnreadableError(f"{path} is not a picture: {error.err}") from error
    if image is None:
        raise SourceUnreadableError(f"{path} is not a picture that can be decoded")
    return np.asarray(image, dtype=np.uint8)


class PictureFiles:
    """Picture files as a capture. A file that cannot be decoded is skipped, and its error kept.

    Args:
        paths: At least one file.

    Attributes:
        unreadable: The errors of the files that were skipped.
    """

    fps: float | None = None
    position_s: float | None = None

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        self._next = 0
        self._readable = 0
        self.unreadable: list[SourceError] = []

    @property
    def length(self) -> int | None:
        """Number of all files."""
        return len(self._paths)

    def read(self) -> Image | None:
        """Return the next picture that can be decoded.

        Returns:
            The picture; None at the end.

        Raises:
            SourceUnreadableError: No file could be decoded; raised at the end.
        """
        while self._next < len(self._paths):
            path = self._paths[self._next]
            self._next += 1
            try:
                image = read_picture(path)
            except SourceError as error:
                self.unreadable.append(error)
                continue
            self._readable += 1
            return image
        if not self._readable:
            raise self.unreadable[0]
        return None

    def close(self) -> None:
        """Do nothing: no file is open."""


class _OpenCvCapture:
    """A device, an address or a video file, opened by OpenCV."""

    def __init__(self, source: Source) -> None:
        self._source = source
        begun = time.monotonic()
        try:
            self._capture = self._opened(source)
        except cv2.error as error:
            raise self._unreadable(error.err) from error
        if not self._capture.isOpened():
            self._capture.release()
            raise self._unopened(time.monotonic() - begun)
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        known = math.isfinite(rate) and 0 < rate <= 1000
        self.fps: float | None = rate if known else _DEFAULT_FPS
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.length: int | None = int(count) if math.isfinite(count) and count > 0 else None

    @staticmethod
    def _opened(source: Source) -> cv2.VideoCapture:
        if source.kind is SourceKind.DEVICE:
            device = int(source.text) if source.text.isdecimal() else source.text
            capture = cv2.VideoCapture(device, cv2.CAP_V4L2)
            # The driver shall queue one picture alone: an old picture is worth nothing at a door.
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
            return capture
        if source.kind is SourceKind.ADDRESS:
            return cv2.VideoCapture(
                source._address,
                cv2.CAP_FFMPEG,
                [
                    cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
                    _OPEN_TIMEOUT_MS,
                    cv2.CAP_PROP_READ_TIMEOUT_MSEC,
                    _READ_TIMEOUT_MS,
                ],
            )
        path = Path(source.text)
        if path.is_file() and path.stat().st_size == 0:
            raise SourceEmptyError(f"video {path} is empty (0 bytes)", "Choose another file")
        return cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)

    def _unopened(self, waited_s: float) -> SourceError:
        source = self._source
        if source.kind is SourceKind.ADDRESS:
            timed_out_s = waited_s if waited_s >= _OPEN_TIMEOUT_MS / 1000 else None
            fault = connection_fault(source._address, timed_out_s=timed_out_s)
            if fault is not None and fault.is_login_refused:
                _log.error("camera_login_refused", source=str(source), mend=fault.mend)
            if fault is not None:
                return SourceUnreadableError(
                    f"camera {source} cannot be opened: {fault.why}", fault.mend
                )
        return self._unreadable("OpenCV could not open it")

    def _unreadable(self, why: str) -> SourceError:
        source = self._source
        if source.kind is SourceKind.DEVICE:
            return SourceUnreadableError(
                f"camera {source} cannot be opened: {why}",
                "Check that no other program uses it, and that this user is in the group `video`",
            )
        if source.kind is SourceKind.ADDRESS:
            return SourceUnreadableError(
                f"camera {source} cannot be opened: {why}",
                "Check address, password and network; `ffplay ADDRESS` should show the camera",
            )
        if not Path(source.text).exists():
            return SourceMissingError(f"video {source} does not exist", "Check the path")
        return SourceUnreadableError(
            f"video {source} cannot be opened: {why}",
            "Check that the file is a video, and that it is whole",
        )

    @property
    def position_s(self) -> float | None:
        """The container's time of the last picture (PTS); None for a source without an end."""
        if self._source.kind.live:
            return None
        position_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        return position_ms / 1000 if math.isfinite(position_ms) and position_ms > 0 else None

    def read(self) -> Image | None:
        try:
            taken, image = self._capture.read()
        except cv2.error as error:
            raise self._unreadable(error.err) from error
        return np.asarray(image, dtype=np.uint8) if taken and image is not None else None

    def close(self) -> None:
        self._capture.release()


def _natural(path: Path) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in parts]
