"""Structured logs: one JSON object a line on stderr, with the event's id where there is one."""

import json
import logging
import sys
import threading
from types import TracebackType
from typing import Any, Final
from urllib.request import getproxies

import orjson
import structlog

from cloud.addresses import secrets_in
from cloud.settings import LogLevel, Settings

log = structlog.get_logger("cloud")

SHORTEST_SECRET: Final = 3
"""The length of the shortest secret that is redacted, in characters."""

QUIET: Final = ("httpx", "httpcore", "telegram", "rq", "uvicorn.access", "apscheduler", "stamina")
"""Libraries whose logs of level info hold addresses with tokens, or the arguments of each job."""

LIBRARY_MESSAGE: Final = "library_message"
"""The `event` of a library's line; the text is in `message`."""


def start(settings: Settings) -> None:
    """Send the logs of this process, and of its libraries, to stderr as JSON.

    Our own lines bypass the standard library's logging, which takes several times as long. Lines of
    libraries get the same form.

    Secrets of the settings are redacted in every line, those of libraries too: python-telegram-bot
    quotes a token that Telegram has refused.
    """
    _write_json(settings.log_level, _secrets_of(settings))


def start_without_settings() -> None:
    """Start the logs before the settings are known, so that their faults are logged too."""
    _write_json(LogLevel.INFO, [])


def start_for_person() -> None:
    """Send the logs of a command that a person runs to stderr; stdout holds only its result."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def started() -> bool:
    """Whether this process writes its log as JSON."""
    return isinstance(structlog.get_config()["logger_factory"], structlog.BytesLoggerFactory)


def _write_json(least: LogLevel, secrets: list[str]) -> None:
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    rendered: list[structlog.typing.Processor] = [
        structlog.processors.JSONRenderer(_json),
        _Redaction(secrets),
    ]
    structlog.configure(
        processors=[*shared, *rendered],
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        # A line below the level is not built at all.
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, least.value.upper())),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _of_a_library],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *rendered,
                _as_text,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(least.value.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error"):
        library = logging.getLogger(name)
        library.handlers, library.propagate = [], True
    logging.captureWarnings(capture=True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


def _secrets_of(settings: Settings) -> list[str]:
    held = (
        settings.telegram_token,
        settings.telegram_webhook_secret,
        settings.smtp_password,
        settings.pass_signing_key,
    )
    secrets = [secret.get_secret_value() for secret in held if secret is not None]
    for address in (settings.redis_url, settings.queue_url):
        if address is not None:
            secrets += secrets_in(address.get_secret_value())
    for plain in (settings.telegram_api_url, settings.public_url, *getproxies().values()):
        secrets += secrets_in(plain or "")
    # A shorter one is a part of other words; redacting those would give the secret away.
    return [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]


class _Redaction:
    """The last processor: it redacts the secrets in a finished line."""

    def __init__(self, secrets: list[str]) -> None:
        # Plain, and as JSON writes a quote or a backslash in it.
        forms = {form for each in secrets for form in (each.encode(), _json(each)[1:-1])}
        self._secrets = sorted(forms, key=len, reverse=True)

    def __call__(self, _logger: Any, _method: str, rendered: Any) -> bytes:
        line: bytes = rendered
        for secret in self._secrets:
            line = line.replace(secret, b"[secret]")
        return line


def _json(line: Any, default: Any = None) -> bytes:
    """Return a line as JSON."""
    try:
        return orjson.dumps(line, default=default)
    except TypeError:  # a lone surrogate, as in the name of a file; or a key that is no text
        return json.dumps(line, default=default).encode()


def _as_text(_logger: Any, _method: str, rendered: Any) -> str:
    return bytes(rendered).decode()


def _of_a_library(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    return {**event, "event": LIBRARY_MESSAGE, "message": event["event"]}


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    log.critical("uncaught_error", exc_info=(kind, error, trace))


def _uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    name = failed.thread.name if failed.thread is not None else ""
    error = failed.exc_value if failed.exc_value is not None else failed.exc_type()
    log.critical(
        "uncaught_error", thread=name, exc_info=(failed.exc_type, error, failed.exc_traceback)
    )


def _unraisable(failed: "sys.UnraisableHookArgs") -> None:
    error = failed.exc_value if failed.exc_value is not None else failed.exc_type()
    log.error(
        "unraisable_error",
        where=failed.err_msg or "exception ignored",
        object=repr(failed.object),
        exc_info=(failed.exc_type, error, failed.exc_traceback),
    )
