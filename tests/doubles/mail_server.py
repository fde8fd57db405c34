"""A mail server of a test: it accepts mail over SMTP, and fails on demand."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.doubles.redis_server import START_TIMEOUT_S, free_port


@dataclass(frozen=True, slots=True)
class TakenMail:
    """A mail that was accepted; `at` is a time of the monotonic clock."""

    mail: EmailMessage
    at: float

    @property
    def text(self) -> str:
        """The part in plain text."""
        body = self.mail.get_body(("plain",))
        assert body is not None
        return str(body.get_content())


@dataclass
class MailServer:
    """A context manager that can also be stopped and started again on the same port."""

    port: int = field(default_factory=free_port)
    mails: list[TakenMail] = field(default_factory=list)
    hangs: bool = False
    """Whether it accepts connections and does not answer a mail."""

    connections: int = 0
    """The number of mails that a client began to send."""

    def __post_init__(self) -> None:
        self._controller: Controller | None = None
        self._changed = threading.Condition()

    def start(self) -> None:
        """Start to accept mail."""
        self._controller = Controller(
            self, ready_timeout=START_TIMEOUT_S, hostname="127.0.0.1", port=self.port
        )
        self._controller.start()

    def stop(self) -> None:
        """Stop, so that connections are refused."""
        controller, self._controller = self._controller, None
        if controller is not None:
            controller.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_for_mails(self, count: int, timeout_s: float = 45.0) -> list[TakenMail]:
        """Return the mails once there are `count`; fail if they do not come in time."""
        self._wait(lambda: len(self.mails) >= count, timeout_s, f"{count} mails")
        return list(self.mails)

    def wait_for_connections(self, count: int, timeout_s: float = 45.0) -> None:
        """Return once clients began to send `count` mails, accepted or not."""
        self._wait(lambda: self.connections >= count, timeout_s, f"{count} connections")

    def _wait(self, holds: Callable[[], bool], timeout_s: float, wanted: str) -> None:
        with self._changed:
            if not self._changed.wait_for(holds, timeout_s):
                raise AssertionError(f"the mail server waited {timeout_s} s for {wanted}")

    async def handle_DATA(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Keep a mail; refuse one that came while the server hung."""
        with self._changed:
            self.connections += 1
            self._changed.notify_all()
        if self.hangs:
            while self.hangs:
                await asyncio.sleep(0.1)
            return "451 try again"
        content = envelope.content
        assert isinstance(content, bytes)
        mail = BytesParser(EmailMessage, policy=policy.default).parsebytes(content)
        with self._changed:
            self.mails.append(TakenMail(mail, time.monotonic()))
            self._changed.notify_all()
        return "250 OK"
