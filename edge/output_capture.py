"""Captures what is written directly to the standard output and error of this process.

FFmpeg, OpenCV, OpenVINO and `EDGE_SOUND_COMMAND` write to file descriptors 1 and 2, past Python. A
pipe replaces each descriptor, and a thread reads both pipes line by line.
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
"""Size of each pipe: Linux's default limit for a user (pipe(7), /proc/sys/fs/pipe-max-size)."""

MAX_LINE_BYTES: Final = 16 * 1024
"""A longer line is cut here, and counts as two."""

_QUIET_S: Final = 0.1
"""Seconds without a new line after which a message of several lines is complete."""

_END_S: Final = 2.0
"""Seconds that `end` waits for the last lines."""

_OPENCV: Final = re.compile(r"\[ *(DEBUG|INFO|WARN|ERROR|FATAL):\d+@[\d.]+\] *")
"""The prefix of OpenCV's logger (modules/core/src/logger.cpp)."""

_FFMPEG: Final = re.compile(r"\[(?P<part>[\w,]+) @ 0x[0-9a-f]+\] *")
"""The prefix of FFmpeg's logger (libavutil/log.c)."""

_FFMPEG_BY_OPENCV: Final = re.compile(r"\[OPENCV:(?P<part>FFMPEG):\d+\] *")
"""The same prefix with OPENCV_FFMPEG_DEBUG (modules/videoio/src/cap_ffmpeg_impl.hpp)."""

_LEVELS: Final = {
    "DEBUG": "debug",
    "INFO": "info",
    "WARN": "warning",
    "ERROR": "error",
    "FATAL": "critical",
}


@dataclass(frozen=True, slots=True)
class Message:
    """One message: a line, with the indented lines that follow it.

    Attributes:
        writer: `opencv` or `ffmpeg`, if the line has the prefix; otherwise `stdout` or `stderr`.
        level: A level of `logging` in lower case.
        text: Without the writer's prefix.
    """

    writer: str
    level: str
    text: str

    @classmethod
    def parse(cls, text: str, stream: str) -> "Message":
        """Find out the writer and the level of a text that was written to a stream."""
        if found := _OPENCV.match(text):
            return cls("opencv", _LEVELS[found[1]], text[found.end() :])
        if found := _FFMPEG.match(text) or _FFMPEG_BY_OPENCV.match(text):
            return cls("ffmpeg", "warning", f"{found['part'].lower()}: {text[found.end() :]}")
        return cls(stream, "info" if stream == "stdout" else "warning", text)


@dataclass(slots=True)
class _Stream:
    """One of the two descriptors.

    Attributes:
        name: `stdout` or `stderr`.
        number: Of the descriptor, 1 or 2.
        original: A duplicate of what the descriptor was before.
        reader: The end of the pipe that is read.
        unread: The beginning of a line that has not ended.
        lines: Of a message that may not be complete.
    """

    name: str
    number: int
    original: int
    reader: int
    unread: bytes = b""
    lines: list[str] = field(default_factory=list)


class OutputCapture:
    """Captures descriptors 1 and 2 of this process from `begin` to `end`.

    A writer never waits. If the pipe is full, further output is lost: otherwise a library that
    holds the interpreter's lock would wait for the thread that needs the same lock to read.

    Args:
        on_message: Is called with each message, in a thread of its own.
        python: Whether the output of Python itself is captured as well; if not, it is written as
            before.
    """

    def __init__(self, on_message: Callable[[Message], None], *, python: bool = True) -> None:
        self._on_message = on_message
        self._python = python
        self._before = sys.stdout, sys.stderr
        self._streams: list[_Stream] = []
        self._wake_reader, self._wake_writer = -1, -1
        self._thread = threading.Thread(target=self._read, name="raw-output", daemon=True)

    @property
    def began(self) -> bool:
        """Whether `begin` was called."""
        return bool(self._streams)

    def begin(self) -> TextIO:
        """Replace both descriptors by pipes, and start the thread.

        Returns:
            The original standard error, for the log. Child processes do not inherit it.
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
            original = os.dup(number)
            os.dup2(writer, number)
            os.close(writer)
            self._streams.append(_Stream(name, number, original, reader))
        # The old stream objects may assume a seekable file, so new ones are made.
        if self._python:
            sys.stdout, sys.stderr = _text_on(1), _text_on(2)
        else:
            originals = [stream.original for stream in self._streams]
            sys.stdout, sys.stderr = (_on_original(before, originals) for before in self._before)
        self._thread.start()
        return _text_on(os.dup(self._streams[1].original))

    def end(self) -> None:
        """Restore the descriptors, and report the messages that were written until now."""
        for buffered in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                buffered.flush()
        # A library's buffered output would otherwise appear after the pipes are gone.
        _flush_c()
        if not self._python:
            sys.stdout, sys.stderr = self._before
        for stream in self._streams:
            os.dup2(stream.original, stream.number)
            os.close(stream.original)
        # A child process may still hold a pipe open, so the thread does not wait for its end.
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
                    self._read_available(stream)
                    if ended or not ready:
                        self._report_complete(stream, whole=True)
        for stream in self._streams:
            if stream.unread:
                self._report(stream.name, _text(stream.unread).strip())

    def _read_available(self, stream: _Stream) -> None:
        """Read all bytes that a pipe holds now."""
        while True:
            try:
                read = os.read(stream.reader, 65_536)
            except BlockingIOError:
                break
            if not read:
                break
            *lines, stream.unread = (stream.unread + read).split(b"\n")
            if len(stream.unread) > MAX_LINE_BYTES:
                lines.append(stream.unread)
                stream.unread = b""
            stream.lines += [_text(line) for line in lines]
            self._report_complete(stream, whole=False)

    def _report_complete(self, stream: _Stream, *, whole: bool) -> None:
        """Report the complete messages; the last one is complete only if `whole`."""
        messages: list[list[str]] = []
        for line in stream.lines:
            if messages and _continues(messages[-1], line):
                messages[-1].append(line)
            else:
                messages.append([line])
        stream.lines = [] if whole or not messages else messages.pop()
        for message in messages:
            self._report(stream.name, "\n".join(message).strip())

    def _report(self, stream: str, text: str) -> None:
        if not text:
            return
        try:
            self._on_message(Message.parse(text, stream))
        except OSError:
            # Nobody reads the log any more. The pipe must be emptied nevertheless.
            return


def _text_on(descriptor: int) -> TextIO:
    """Open a descriptor for text that is written line by line; invalid Unicode is escaped."""
    return os.fdopen(
        descriptor,
        "w",
        buffering=1,
        encoding="utf-8",
        errors="backslashreplace",
        closefd=False,
    )


def _on_original(stream: TextIO, originals: Sequence[int]) -> TextIO:
    """Return a stream on the original descriptor; the stream itself if it writes elsewhere."""
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return stream
    return _text_on(originals[number - 1]) if number in {1, 2} else stream


def _flush_c() -> None:
    """Flush the buffers of C's standard library."""
    ctypes.CDLL(None).fflush(None)


def _continues(message: list[str], line: str) -> bool:
    """Return whether a line continues a message: it is indented, or ends a Python traceback."""
    if line[:1].isspace():
        return True
    return message[0].startswith("Traceback (most") and message[-1][:1].isspace()


def _text(line: bytes) -> str:
    return line.decode(errors="backslashreplace").rstrip("\r")


def _widen(pipe: int) -> None:
    """Enlarge the pipe's buffer; a system that does not allow this leaves the pipe as it is."""
    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    except (AttributeError, OSError):
        return
