"""Output that may get lost: a door goes on where its terminal, pipe or log file is gone or full."""

import os
import sys
from typing import ClassVar


class LossyOutput:
    """A text stream on the standard output or error, as these are at the time of each line.

    An error of the operating system, such as a full disk or a closed pipe, loses the line and
    counts it.

    Args:
        name: `stdout` or `stderr`.

    Attributes:
        lost: Lines lost in this process, by all streams together.
    """

    lost: ClassVar[int] = 0

    def __init__(self, name: str) -> None:
        self._name = name

    def write(self, text: str) -> int:
        """Write a text, or lose it."""
        try:
            getattr(sys, self._name).write(text)
        except OSError:
            count_lost()
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        try:
            getattr(sys, self._name).flush()
        except OSError:
            count_lost()

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        return bool(getattr(sys, self._name).isatty())

    @property
    def encoding(self) -> str:
        """The encoding of the stream."""
        return str(getattr(sys, self._name).encoding)


def count_lost() -> None:
    """Count a line that nobody can read."""
    LossyOutput.lost += 1


def give_up_output() -> None:
    """Drop what the standard streams still hold and cannot write.

    Python flushes both when it ends, and would turn an error there into exit code 120.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
            stream.flush()
