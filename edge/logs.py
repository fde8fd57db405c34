"""The log: lines for people, or one JSON object per line; it includes the output of libraries."""

import atexit
import contextlib
import faulthandler
import logging
import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TextIO, cast

import structlog

from edge.log_memory import LAST_LINES
from edge.lossy_output import LossyOutput, count_lost
from edge.output_capture import Message, OutputCapture
from edge.redaction.addresses import redacted_in
from edge.redaction.secrets import without_secrets
from edge.refusals import LOGIN_MEND, is_login_refused

_log = structlog.get_logger(__name__)

QUIET = ("httpx", "httpcore")
"""Libraries that log each request, such as heartbeats and polls; only their warnings are kept."""

_STAMPED: list[structlog.typing.Processor] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def use_console() -> None:
    """Write the log to standard error as lines for people."""
    structlog.configure(
        processors=[
            *_STAMPED,
            without_secrets,
            LAST_LINES,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", LossyOutput("stderr"))),
    )


def library_messages() -> contextlib.AbstractContextManager[object]:
    """Log the lines that libraries write to standard output and error, in the form for people.

    Such lines may repeat a camera's address with its password, which the log redacts.

    Returns:
        A context. It does nothing if `capture_output` reads these lines already.
    """
    if is_capturing():
        return contextlib.nullcontext()
    return OutputCapture(_show_library_message, python=False)


def _show_library_message(message: Message) -> None:
    text = redacted_in(message.text)
    _log.log(_level(message), "library_message", logger=message.writer, message=text)
    _explain(message)


def _explain(message: Message) -> None:
    """Log what a line of FFmpeg means, if people can mend it."""
    if message.writer == "ffmpeg" and is_login_refused(message.text):
        _log.error("camera_login_refused", mend=LOGIN_MEND)


def use_json(stream: TextIO | None = None) -> None:
    """Write the log as one JSON object per line, for this program and for Python libraries.

    Warnings and uncaught errors of every thread become lines, too. Each line has `timestamp`
    (RFC 3339, UTC), `level`, `logger` and `event`, a stable identifier. The event of a library's
    line is `library_message`, with the library's text in `message`.

    Args:
        stream: Gets the lines; None for standard error.
    """
    shared: list[structlog.typing.Processor] = [*_STAMPED, structlog.stdlib.add_logger_name]
    rendered: list[structlog.typing.Processor] = [
        structlog.processors.format_exc_info,
        without_secrets,
        LAST_LINES,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    handler = _Lines(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _of_a_library],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def _log_library_message(message: Message) -> None:
    logging.getLogger(message.writer).log(_level(message), "%s", redacted_in(message.text))
    _explain(message)


def _level(message: Message) -> int:
    return logging.getLevelNamesMapping()[message.level.upper()]


_output_capture = OutputCapture(_log_library_message)


def capture_output() -> None:
    """Write the log and all other output of this process as JSON, until the process ends."""
    # Otherwise OpenCV would write two lines at each attempt to open a camera that is away, and they
    # say less than this program's own line.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    use_json(_output_capture.begin())
    atexit.register(_output_capture.end)


def is_capturing() -> bool:
    """Return whether all output of this process is captured and written as JSON."""
    return _output_capture.began


def record_crashes(file: Path) -> None:
    """Log the crash of the previous run, if it crashed, and record a crash of this run.

    A process that is killed by a fault in native code (SIGSEGV) cannot log any more. So Python's
    faulthandler writes the stacks of its threads to a file, and the next run logs them.

    Args:
        file: Is kept from run to run.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = file.open("a+", encoding="utf-8", errors="replace")  # open until the process ends
    except OSError as error:
        _log.warning("crashes_not_kept", file=str(file), error=error.strerror)
        return
    kept.seek(0)
    if stacks := kept.read().strip():
        at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
        _log.error("crashed_before", at=at.isoformat(), stacks=stacks)
        kept.truncate(0)
    faulthandler.enable(kept)


class _Lines(logging.StreamHandler[TextIO]):
    """Writes lines, and counts those that nobody can read any more."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        if isinstance(sys.exc_info()[1], OSError):
            count_lost()
        else:
            super().handleError(record)


def _of_a_library(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return {**event, "event": "library_message", "message": event["event"]}


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _log.critical("uncaught_error", exc_info=(kind, error, trace))


def _uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    name = failed.thread.name if failed.thread is not None else ""
    error = failed.exc_value if failed.exc_value is not None else failed.exc_type()
    _log.critical(
        "uncaught_error", thread=name, exc_info=(failed.exc_type, error, failed.exc_traceback)
    )


def _unraisable(failed: "sys.UnraisableHookArgs") -> None:
    error = failed.exc_value if failed.exc_value is not None else failed.exc_type()
    _log.error(
        "unraisable_error",
        where=failed.err_msg or "exception ignored",
        object=repr(failed.object),
        exc_info=(failed.exc_type, error, failed.exc_traceback),
    )
