"""The log: lines for people, or one JSON object a line with whatever libraries write."""

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

from edge.addresses import redacted_in
from edge.output_capture import Message, OutputCapture
from edge.secrets import without_secrets

_log = structlog.get_logger(__name__)

QUIET = ("httpx", "httpcore")
"""Libraries that write a line for each request: heartbeats, and a poll every half minute."""

_STAMPED: list[structlog.typing.Processor] = [
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def use_console() -> None:
    """Write the log to standard error as people read it."""
    structlog.configure(
        processors=[
            *_STAMPED,
            without_secrets,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(cast(TextIO, _StandardError())),
    )


class _StandardError:
    """`sys.stderr` as it is at the time of each line: `library_messages` moves it."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def library_messages() -> contextlib.AbstractContextManager[object]:
    """Log what libraries write to the standard output and error of this process, for people.

    They repeat a camera's address with its password. Where all is JSON, they are read already.
    """
    if is_capturing():
        return contextlib.nullcontext()
    return OutputCapture(
        lambda message: _log.log(
            _level(message),
            "library_message",
            logger=message.writer,
            message=redacted_in(message.text),
        ),
        python=False,
    )


def use_json(stream: TextIO | None = None) -> None:
    """Write the log as one JSON object a line: our lines, and those of Python libraries.

    Warnings and errors that nobody caught, in whatever thread, become lines too. Each line has
    `timestamp` (RFC 3339, UTC), `level`, `logger` and `event`, which is a fixed word; what a
    library says is `library_message`, with its text in `message`.

    Args:
        stream: Where to; by default standard error.
    """
    shared: list[structlog.typing.Processor] = [*_STAMPED, structlog.stdlib.add_logger_name]
    rendered: list[structlog.typing.Processor] = [
        structlog.processors.format_exc_info,
        without_secrets,
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


def _library_said(message: Message) -> None:
    logging.getLogger(message.writer).log(_level(message), "%s", redacted_in(message.text))


def _level(message: Message) -> int:
    return logging.getLevelNamesMapping()[message.level.upper()]


_output_capture = OutputCapture(_library_said)


def capture_output() -> None:
    """Write the log as JSON, and whatever else reaches standard output or error as well.

    Lasts until the process ends.
    """
    # Each attempt to open a camera that is away would have two lines that say less than ours.
    os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
    use_json(_output_capture.begin())
    atexit.register(_output_capture.end)


def is_capturing() -> bool:
    """Whether this process writes JSON alone."""
    return _output_capture.began


def record_crashes(file: Path) -> None:
    """Log what the run before left of its crash, and write down where this one crashes, if it does.

    A process that is killed by a fault in a library's own code can log nothing any more. So the
    stacks of its threads go to a file, which the next run reads.

    Args:
        file: Kept from run to run.
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
    """Writes lines, and goes on where nobody reads them any more."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        if not isinstance(sys.exc_info()[1], OSError):
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
