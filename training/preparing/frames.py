"""Frames from a camera, a stream, a video file or a folder of pictures."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from training.addresses import for_ffmpeg, without_password
from training.errors import SourceError
from training.records.pictures import PICTURES, Pixels, read_picture

_TIMEOUT_MS = 8_000
_USUAL_FPS = 25.0
"""Frames per second that are assumed for a video without a frame rate."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One picture of a source.

    Attributes:
        picture: u8 [H, W, 3] BGR.
        seconds: Time since the start of the source; in a folder, one second for each picture.
        position: Place in the source, for people: `12.48s`, `IMG_1.jpg`.
    """

    picture: Pixels
    seconds: float
    position: str


class Source:
    """An open source of frames.

    Args:
        text: Number or /dev path of a camera, an rtsp or http address, a video file, a picture, or
            a folder of pictures (with all folders inside it).
        every: Least seconds between two frames of a stream or a video.

    Attributes:
        name: The source as it was written, without a password.
        live: Whether the source never ends, and does not wait.
        flowing: Whether a frame shows the scene of the frame before, a moment later.
        unreadable: Files of a folder that cannot be read as pictures.

    Raises:
        SourceError: The source does not exist, is empty, or cannot be opened.
    """

    def __init__(self, text: str, every: float = 0.0) -> None:
        self.name = without_password(text)
        self.unreadable: list[Path] = []
        self._every = every
        self._files: list[Path] = []
        self._capture: cv2.VideoCapture | None = None
        device = Path(f"/dev/video{int(text)}") if text.isdecimal() else Path(text)
        address = "://" in text
        if address and text.partition("://")[0].lower() not in {"rtsp", "rtsps", "http", "https"}:
            raise SourceError(
                f"{self.name}: give an rtsp:// or http:// address, a file or a folder"
            )
        if not address and not device.exists():
            mend = (
                "connect the camera, or name another one"
                if "/dev/" in str(device)
                else "check the path"
            )
            raise SourceError(f"{without_password(str(device))} does not exist; {mend}")
        self.live = address or device.is_char_device()
        self.flowing = True
        if not address and device.is_dir():
            self._files = sorted(
                (p for p in device.rglob("*") if p.suffix.lower() in PICTURES and p.is_file()),
                key=_natural,
            )
            if not self._files:
                raise SourceError(
                    f"folder {device} holds no picture ({' '.join(sorted(PICTURES))})"
                )
            self._folder = device
            self.flowing = False
        elif not address and device.suffix.lower() in PICTURES:
            self._files, self._folder = [device], device.parent
            self.flowing = False
        else:
            self._capture = self._opened(text)

    def _opened(self, text: str) -> cv2.VideoCapture:
        if "://" in text:
            limits = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
            capture = cv2.VideoCapture(
                for_ffmpeg(text), cv2.CAP_FFMPEG, [v for key in limits for v in (key, _TIMEOUT_MS)]
            )
        elif self.live:
            capture = cv2.VideoCapture(int(text) if text.isdecimal() else text, cv2.CAP_V4L2)
            # A frame in the driver's queue is old: the queue is kept short.
            capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        else:
            capture = cv2.VideoCapture(text, cv2.CAP_FFMPEG)
        if not capture.isOpened():
            capture.release()
            mend = (
                "check that no other program uses it, that you are in the group `video`, and that "
                "the address and its password are right"
                if self.live
                else "check that it is a complete video"
            )
            raise SourceError(f"{self.name} cannot be opened; {mend}")
        return capture

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._capture is not None:
            self._capture.release()

    def __iter__(self) -> Iterator[Frame]:
        return self._of_files() if self._capture is None else self._of_capture(self._capture)

    def _of_files(self) -> Iterator[Frame]:
        for number, path in enumerate(self._files):
            picture = read_picture(path)
            if picture is None:
                self.unreadable.append(path)
                continue
            yield Frame(picture, float(number), str(path.relative_to(self._folder)))
        if len(self.unreadable) == len(self._files):
            raise SourceError(
                f"{self.name}: none of its {len(self._files)} files can be read as a picture"
            )

    def _of_capture(self, capture: cv2.VideoCapture) -> Iterator[Frame]:
        rate = capture.get(cv2.CAP_PROP_FPS)
        rate = rate if 0 < rate <= 1000 else _USUAL_FPS
        start, due, number = time.monotonic(), 0.0, 0
        while capture.grab():
            seconds = time.monotonic() - start if self.live else number / rate
            number += 1
            if seconds < due:
                continue
            taken, picture = capture.retrieve()
            if not taken or picture is None:
                continue
            due = seconds + self._every
            yield Frame(np.asarray(picture, np.uint8), seconds, f"{seconds:.2f}s")
        if self.live:
            raise SourceError(
                f"{self.name} delivers no more frames. The crops so far are saved: check the "
                "camera, and run the command again to continue"
            )
        if not number:
            raise SourceError(f"{self.name} holds no frame; check that it is a video")


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a sort key that puts 2 before 10."""
    parts = re.split(r"(\d+)", str(path))
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in parts]
