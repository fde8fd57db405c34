"""What is written straight to the standard output and error of this process, line by line.

FFmpeg, OpenCV, OpenVINO and the command of a sound write there without asking Python. A pipe stands
in the place of both descriptors, and a thread reads it.
"""

import contextlib
import ctypes
import fcntl
import os
import re
import selectors
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self, TextIO

PIPE_BYTES: Final = 1 << 20
"""The most that Linux gives a user by default (pipe(7), /proc/sys/fs/pipe-max-size)."""

LONGEST_LINE: Final = 16 * 1024
"""Bytes after which a line that does not end is taken for one."""

_QUIET_S: Final = 0.1
"""After so long without more, a message is whole: what follows does not belong to it."""

_END_S: Final = 2.0
"""How long the end of the process waits for the last lines."""

_OPENCV: Final = re.compile(r"\[ *(DEBUG|INFO|WARN|ERROR|FATAL):\d+@[\d.]+\] *")
"""What OpenCV's logger begins a line with (modules/core/src/logger.cpp)."""

_FFMPEG: Final = re.compile(r"\[(?P<part>[\w,]+) @ 0x[0-9a-f]+\] *")
"""What FFmpeg's logger begins a line with (libavutil/log.c)."""

_FFMPEG_BY_OPENCV: Final = re.compile(r"\[OPENCV:(?P<part>FFMPEG):\d+\] *")
"""What OPENCV_FFMPEG_DEBUG makes of that (modules/videoio/src/cap_ffmpeg_impl.hpp)."""

_LEVELS: Final = {
    "DEBUG": "debug",
    "INFO": "info",
    "WARN": "warning",
    "ERROR": "error",
    "FATAL": "critical",
}


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody wrote: one line, with those after it that are indented.

    Attributes:
        writer: `opencv` or `ffmpeg`, where the line says so; else `stdout` or `stderr`.
        level: A level of `logging`, in small letters.
        text: Without the time and the address that the writer put before it.
    """

    writer: str
    level: str
    text: str

    @classmethod
    def read(cls, text: str, stream: str) -> "Message":
        """Tell who wrote a text to a stream, and how grave it is."""
        if found := _OPENCV.match(text):
            return cls("opencv", _LEVELS[found[1]], text[found.end() :])
        if found := _FFMPEG.match(text) or _FFMPEG_BY_OPENCV.match(text):
            return cls("ffmpeg", "warning", f"{found['part'].lower()}: {text[found.end() :]}")
        return cls(stream, "info" if stream == "stdout" else "warning", text)


@dataclass(slots=True)
class _Stream:
    """One descriptor that is read instead of shown."""

    name: str
    number: int
    shown: int
    reader: int
    unread: bytes = b""
    lines: list[str] = field(default_factory=list)


class OutputCapture:
    """Reads descriptors 1 and 2 of this process from `begin` to `end`.

    A writer never waits: where nobody has read the last megabyte, what is too much is lost, as a
    library that holds the interpreter's lock would else wait for the thread that needs it.

    Args:
        tell: Is given each message, on a thread of its own.
        python: Whether what Python itself prints is read as well; else it is shown as before.
    """

    def __init__(self, tell: Callable[[Message], None], *, python: bool = True) -> None:
        self._tell = tell
        self._python = python
        self._before = sys.stdout, sys.stderr
        self._streams: list[_Stream] = []
        self._wake_reader, self._wake_writer = -1, -1
        self._thread = threading.Thread(target=self._read, name="raw-output", daemon=True)

    @property
    def began(self) -> bool:
        """Whether the pipes are in place, or were."""
        return bool(self._streams)

    def begin(self) -> TextIO:
        """Put the pipes in place.

        Returns:
            The standard error that was there before: where lines are shown. Programs that are
            started do not inherit it.
        """
        self._wake_reader, self._wake_writer = os.pipe()
        self._before = sys.stdout, sys.stderr
        _flush_c()
        for name, number, buffered in (("stdout", 1, sys.stdout), ("stderr", 2, sys.stderr)):
            buffered.flush()
            reader, writer = os.pipe()
            _widen(writer)
            os.set_blocking(reader, False)
            os.set_blocking(writer, False)
            shown = os.dup(number)
            os.dup2(writer, number)
            os.close(writer)
            self._streams.append(_Stream(name, number, shown, reader))
        # Those that were there may think that they write to a file, in which one can seek.
        if self._python:
            sys.stdout, sys.stderr = _text_on(1), _text_on(2)
        else:
            kept = [stream.shown for stream in self._streams]
            sys.stdout, sys.stderr = (_moved(before, kept) for before in self._before)
        self._thread.start()
        return _text_on(os.dup(self._streams[1].shown))

    def end(self) -> None:
        """Put the descriptors back, and tell what was written until now."""
        for buffered in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                buffered.flush()
        # What a library still holds in its buffers would be shown once the pipes are gone.
        _flush_c()
        if not self._python:
            sys.stdout, sys.stderr = self._before
        for stream in self._streams:
            os.dup2(stream.shown, stream.number)
            os.close(stream.shown)
        # A program that was started may hold a pipe's other end, so its end is not waited for.
        os.write(self._wake_writer, b"\n")
        self._thread.join(_END_S)
        if not self._thread.is_alive():
            readers = (stream.reader for stream in self._streams)
            for number in (*readers, self._wake_reader, self._wake_writer):
                os.close(number)

    def __enter__(self) -> Self:
        self.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def _read(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_reader, selectors.EVENT_READ)
            for stream in self._streams:
                selector.register(stream.reader, selectors.EVENT_READ, stream)
            ended = False
            while not ended:
                pending = any(stream.lines for stream in self._streams)
                ready = selector.select(_QUIET_S if pending else None)
                ended = any(key.data is None for key, _ in ready)
                for stream in self._streams:
                    self._take(stream)
                    if ended or not ready:
                        self._settle(stream, whole=True)
        for stream in self._streams:
            if stream.unread:
                self._said(stream.name, _text(stream.unread).strip())

    def _take(self, stream: _Stream) -> None:
        """Read what is there."""
        while True:
            try:
                read = os.read(stream.reader, 65_536)
            except BlockingIOError:
                break
            if not read:
                break
            *lines, stream.unread = (stream.unread + read).split(b"\n")
            if len(stream.unread) > LONGEST_LINE:
                lines.append(stream.unread)
                stream.unread = b""
            stream.lines += [_text(line) for line in lines]
            self._settle(stream, whole=False)

    def _settle(self, stream: _Stream, *, whole: bool) -> None:
        """Tell the messages that are complete; the last one is when nothing more can follow."""
        messages: list[list[str]] = []
        for line in stream.lines:
            if messages and _goes_on(messages[-1], line):
                messages[-1].append(line)
            else:
                messages.append([line])
        stream.lines = [] if whole or not messages else messages.pop()
        for message in messages:
            self._said(stream.name, "\n".join(message).strip())

    def _said(self, stream: str, text: str) -> None:
        if not text:
            return
        try:
            self._tell(Message.read(text, stream))
        except OSError:
            # Nobody reads the log any more. The pipe is emptied all the same.
            return


def _text_on(descriptor: int) -> TextIO:
    """Text that is written line by line; what is no Unicode is escaped."""
    return os.fdopen(
        descriptor,
        "w",
        buffering=1,
        encoding="utf-8",
        errors="backslashreplace",
        closefd=False,
    )


def _moved(stream: TextIO, shown: Sequence[int]) -> TextIO:
    """The same stream on the descriptor that is shown; itself where it writes elsewhere."""
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return stream
    return _text_on(shown[number - 1]) if number in {1, 2} else stream


def _flush_c() -> None:
    """Write out what C's standard library has buffered."""
    ctypes.CDLL(None).fflush(None)


def _goes_on(message: list[str], line: str) -> bool:
    """Whether a line belongs to those before it: it is indented, or ends a trace of Python's."""
    if line[:1].isspace():
        return True
    return message[0].startswith("Traceback (most") and message[-1][:1].isspace()


def _text(line: bytes) -> str:
    return line.decode(errors="backslashreplace").rstrip("\r")


def _widen(pipe: int) -> None:
    """Let a pipe hold much; a system that gives less leaves it as it is."""
    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except (AttributeError, OSError):
        return
