"""Structured logs: one JSON object a line on stderr, with the event's id wherever there is one."""

import logging
import sys
from typing import Any
from urllib.request import getproxies

import orjson
import structlog

from cloud.addresses import secrets_in
from cloud.settings import Settings

LEAST_SECRET = 3
"""Letters of the shortest secret that is blanked."""

QUIET = ("httpx", "httpcore", "telegram", "rq", "uvicorn.access")
"""Libraries whose chatter names addresses with tokens in them, or every job's arguments."""


def start(settings: Settings) -> None:
    """Send the logs of this process, and of its libraries, to stderr as JSON.

    Our own lines go there without the standard library's logging, which takes several times as
    long; lines of libraries are brought into the same form.

    Secrets of the settings are blanked in every line, whoever writes it: python-telegram-bot, for
    one, quotes a token that Telegram has refused.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    rendered: list[structlog.typing.Processor] = [
        structlog.processors.JSONRenderer(orjson.dumps),
        _Blanking(settings),
    ]
    structlog.configure(
        processors=[*shared, *rendered],
        logger_factory=structlog.BytesLoggerFactory(sys.stderr.buffer),
        # What is not written is not put together first.
        wrapper_class=structlog.make_filtering_bound_logger(
            getattr(logging, settings.log_level.value.upper())
        ),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *rendered,
                _as_text,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.value.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in ("uvicorn", "uvicorn.error"):
        library = logging.getLogger(name)
        library.handlers, library.propagate = [], True


class _Blanking:
    """The last processor: takes a finished line and blanks the secrets in it."""

    def __init__(self, settings: Settings) -> None:
        held = (settings.telegram_token, settings.smtp_password)
        secrets = [secret.get_secret_value() for secret in held if secret is not None]
        for address in (settings.redis_url, settings.queue_url):
            if address is not None:
                secrets += secrets_in(address.get_secret_value())
        for plain in (settings.telegram_api_url, settings.public_url, *getproxies().values()):
            secrets += secrets_in(plain or "")
        # A shorter one stands in other words too; blanking those would give it away.
        known = {secret.encode() for secret in secrets if len(secret) >= LEAST_SECRET}
        self._secrets = sorted(known, key=len, reverse=True)

    def __call__(self, _logger: Any, _method: str, rendered: Any) -> bytes:
        line: bytes = rendered
        for secret in self._secrets:
            line = line.replace(secret, b"[secret]")
        return line


def _as_text(_logger: Any, _method: str, rendered: Any) -> str:
    return bytes(rendered).decode()
