"""Readers of codes: a camera, a scanner that types, a scanner at a serial port.

Each runs in a thread of its own, and puts the texts of codes into a queue.
"""

import queue
import sys
import threading
from collections.abc import Callable, Iterable
from typing import BinaryIO, Final, Protocol

import structlog

from edge.capture.camera import Camera
from edge.door.codes import SeenCodes, codes_in
from edge.errors import SourceError, SourceMissingError

LONGEST_TEXT: Final = 2048
"""Longest text of a code (`cloud.contract.RedemptionRequest.token`)."""

MOST_WAITING: Final = 8
"""Codes that may wait for an answer; a code that is read meanwhile is dropped."""

_log = structlog.get_logger(__name__)

Texts = queue.Queue[str | None]
"""The texts of codes; None when a reader has ended."""


class Reader(Protocol):
    """Reads codes until it ends or is stopped."""

    def run(self, put: Callable[[str], None]) -> None:
        """Read codes, and call `put` with the text of each.

        Raises:
            SourceError: The reader failed for good.
        """

    def stop(self) -> None:
        """End `run` soon. May be called from any thread."""


class CameraReader:
    """Reads the QR codes that people hold before a camera.

    Args:
        camera: Not started yet.
    """

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._seen = SeenCodes()

    def run(self, put: Callable[[str], None]) -> None:
        """Read codes until the source ends or `stop` is called."""
        with self._camera as camera:
            for frame in camera.frames():
                for text in self._seen.new_in(codes_in(frame.image)):
                    put(text)

    def stop(self) -> None:
        """Stop the camera."""
        self._camera.stop()


class LineReader:
    """Reads the lines that a scanner types, as keyboard wedges and serial scanners do.

    Args:
        lines: A stream of bytes.
    """

    def __init__(self, lines: BinaryIO) -> None:
        self._lines = lines

    def run(self, put: Callable[[str], None]) -> None:
        """Read lines until the stream ends."""
        while line := self._lines.readline(LONGEST_TEXT + 1):
            text = line.decode("utf-8", "replace").strip("\r\n\0 \t")
            if text:
                put(text[:LONGEST_TEXT])

    def stop(self) -> None:
        """Do nothing: a read of a terminal ends with the process."""


class SerialReader:
    """Reads the lines of a scanner at a serial port.

    Args:
        port: Path of the port.
        baud: Bits per second.

    Raises:
        SourceMissingError: The port cannot be opened.
    """

    def __init__(self, port: str, baud: int = 9600) -> None:
        import serial  # noqa: PLC0415 - only doors with such a scanner need it

        try:
            self._port = serial.Serial(port, baud, timeout=0.5)
        except (serial.SerialException, OSError, ValueError) as error:
            raise SourceMissingError(
                f"serial port {port} cannot be opened: {error}",
                "Check the cable and the port's name, and that this user may read it",
            ) from error
        self._failures: tuple[type[Exception], ...] = (serial.SerialException, OSError)
        self._stop = threading.Event()

    def run(self, put: Callable[[str], None]) -> None:
        """Read lines until `stop` is called.

        Raises:
            SourceError: The scanner was unplugged.
        """
        pending = b""
        while not self._stop.is_set():
            try:
                pending += self._port.read_until(b"\n", LONGEST_TEXT)
            except self._failures as error:
                raise SourceError(
                    f"the scanner at {self._port.port} is gone: {error}", "Check its cable"
                ) from error
            if pending.endswith((b"\n", b"\r")) or len(pending) >= LONGEST_TEXT:
                text = pending.decode("utf-8", "replace").strip("\r\n\0 \t")
                pending = b""
                if text:
                    put(text[:LONGEST_TEXT])
        self._port.close()

    def stop(self) -> None:
        """End `run` within half a second."""
        self._stop.set()


def standard_input() -> LineReader:
    """Return the reader of the standard input."""
    return LineReader(sys.stdin.buffer)


class RunningReaders:
    """Runs readers in threads, and collects what they read.

    Args:
        readers: To run.
    """

    def __init__(self, readers: Iterable[Reader]) -> None:
        self._readers = tuple(readers)
        self._texts: Texts = queue.Queue()
        self._failure: SourceError | None = None
        self._turn = threading.Lock()
        self._reading = len(self._readers)
        self._threads = [
            threading.Thread(target=self._run, args=(reader,), name="reader", daemon=True)
            for reader in self._readers
        ]

    def start(self) -> None:
        """Start all threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop all readers, and end the wait for the next code."""
        for reader in self._readers:
            reader.stop()
        self._texts.put(None)

    def next(self) -> str | None:
        """Wait for the next code.

        Returns:
            Its text; None when all readers have ended, or were stopped.

        Raises:
            SourceError: A reader failed for good.
        """
        text = self._texts.get()
        if text is None and self._failure is not None:
            raise self._failure
        return text

    def _run(self, reader: Reader) -> None:
        try:
            reader.run(self._put)
        except SourceError as error:
            self._failure = error
            self._texts.put(None)
            return
        with self._turn:
            self._reading -= 1
            if self._reading == 0:
                self._texts.put(None)

    def _put(self, text: str) -> None:
        if self._texts.qsize() >= MOST_WAITING:
            _log.warning("code_dropped", waiting=MOST_WAITING)
            return
        self._texts.put(text)
