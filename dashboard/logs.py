"""The dashboard's log as JSON: one object a line on standard error, whoever writes it.

Streamlit gives each of its loggers a handler of its own, and prints some lines past them. So what
reaches standard output and error is read.
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
"""ASCII's separators of records and of fields, which no text of a log holds."""

FORMAT: Final = f"{_RECORD}%(levelname)s{_FIELD}%(name)s{_FIELD}%(message)s"
"""How loggers write, so that a record is told from what is merely printed."""

_TRACE: Final = "\nTraceback (most recent call last):\n"


def wanted() -> bool:
    """Whether DASHBOARD_LOG_JSON asks for JSON; a value that is no answer is named on the page."""
    try:
        return TypeAdapter(bool).validate_python(os.environ.get("DASHBOARD_LOG_JSON") or "false")
    except ValidationError:
        return False


def take_over() -> None:
    """Write all that reaches standard output and error of this process as JSON, until it ends.

    Has to be called before Streamlit is imported, which looks for standard error once.
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
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


class JsonLines(TextIOBase):
    """A text stream that turns what is written to it into JSON lines on another.

    Args:
        shown: where the lines go.
        name: the `logger` of what is merely printed.
        level: the `level` of that.
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
        """Return true."""
        return True

    def write(self, text: str) -> int:
        """Write a record of a logger, which comes in one piece, or some of a printed line."""
        if text.startswith(_RECORD):
            level, name, said = text.removeprefix(_RECORD).rstrip("\n").split(_FIELD, 2)
            message, traced, trace = said.partition(_TRACE)
            exception = _TRACE.lstrip("\n") + trace if traced else None
            self._say(level.lower(), name, message, exception)
            return len(text)
        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            if line.strip():
                self._say(self._level, self._name, line.strip(), None)
        return len(text)

    def end(self) -> None:
        """Write what is there of a line that has not ended."""
        self.write("\n")

    def _say(self, level: str, name: str, message: str, exception: str | None) -> None:
        line = {
            "event": "library_message",
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
    logging.getLogger("dashboard").critical("uncaught error", exc_info=(kind, error, trace))


def _uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    error = failed.exc_value if failed.exc_value is not None else failed.exc_type()
    logging.getLogger("dashboard").critical(
        "uncaught error in a thread", exc_info=(failed.exc_type, error, failed.exc_traceback)
    )
