"""The dashboard's log as JSON: each line on standard error is one object.

Streamlit gives each of its loggers a handler of its own, and prints some lines without a logger.
So this module reads all that reaches standard output and standard error.
"""

import atexit
import json
import logging
import os
import sys
import threading
from datetime import UTC, datetime
from io import TextIOBase
from types import TracebackType
from typing import Final, TextIO

from pydantic import TypeAdapter, ValidationError

_RECORD: Final = "\x1e"
_FIELD: Final = "\x1f"
"""The separators of records and of fields in ASCII, which no text of a log holds."""

FORMAT: Final = f"{_RECORD}%(levelname)s{_FIELD}%(name)s{_FIELD}%(message)s"
"""The format of the loggers, by which a record is told from a printed line."""

_LOGGER: Final = "dashboard"
"""The dashboard's own logger. Its messages are the name of an event and its `key=value` fields."""

_TRACE: Final = "\nTraceback (most recent call last):\n"


def wanted() -> bool:
    """Return whether DASHBOARD_LOG_JSON asks for JSON; the page names an unreadable value."""
    try:
        return TypeAdapter(bool).validate_python(os.environ.get("DASHBOARD_LOG_JSON") or "false")
    except ValidationError:
        return False


def take_over() -> None:
    """Write as JSON all that reaches this process's standard output and error, until it ends.

    Call this before Streamlit is imported: its import takes hold of standard error.
    """
    shown = sys.stderr
    os.environ["STREAMLIT_LOGGER_MESSAGE_FORMAT"] = FORMAT
    os.environ.setdefault("STREAMLIT_LOGGER_HIDE_WELCOME_MESSAGE", "true")
    printed, failed = JsonLines(shown, "stdout", "info"), JsonLines(shown, "stderr", "warning")
    sys.stdout, sys.stderr = printed, failed
    for stream in (printed, failed):
        atexit.register(stream.end)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT))
    logging.getLogger().handlers = [handler]
    logging.getLogger(_LOGGER).setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


class JsonLines(TextIOBase):
    """A text stream that turns what is written to it into JSON lines on another.

    Args:
        shown: The stream that gets the JSON lines.
        name: The `logger` of a printed line.
        level: The `level` of a printed line.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, shown: TextIO, name: str, level: str) -> None:
        super().__init__()
        self._shown = shown
        self._name = name
        self._level = level
        self._lock = threading.Lock()
        self._begun = ""

    def writable(self) -> bool:
        """Return True: the stream can be written to."""
        return True

    def write(self, text: str) -> int:
        """Write a record of a logger, which comes in one piece, or a part of a printed line."""
        if text.startswith(_RECORD):
            level, name, said = text.removeprefix(_RECORD).rstrip("\n").split(_FIELD, 2)
            message, traced, trace = said.partition(_TRACE)
            exception = _TRACE.lstrip("\n") + trace if traced else None
            self._write_line(level.lower(), name, message, exception)
            return len(text)
        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if line.strip():
                self._write_line(self._level, self._name, line.strip(), None)
        return len(text)

    def end(self) -> None:
        """Write the last printed line, where it has not ended."""
        self.write("\n")

    def _write_line(self, level: str, name: str, message: str, exception: str | None) -> None:
        event, *words = message.split() if name == _LOGGER else ["library_message"]
        fields = dict(word.split("=", 1) for word in words if "=" in word)
        line = fields | {
            "event": event,
            "message": message,
            "level": level,
            "logger": name,
            "timestamp": f"{datetime.now(UTC).replace(tzinfo=None).isoformat()}Z",
        }
        if exception is not None:
            line["exception"] = exception
        self._shown.write(json.dumps(line) + "\n")
        self._shown.flush()


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, KeyboardInterrupt):
        return
    logging.getLogger(_LOGGER).critical("uncaught_error", exc_info=(kind, error, trace))


def _uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    error = failed.exc_value if failed.exc_value is not None else failed.exc_type()
    logging.getLogger(_LOGGER).critical(
        "uncaught_error_in_thread", exc_info=(failed.exc_type, error, failed.exc_traceback)
    )
