import smtplib
import socket
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from cloud.errors import DeliveryImpossible, DeliveryPostponed, SubscriberGone
from cloud.notify.base import Message
from cloud.notify.mail import MailNotifier, translated
from cloud.settings import SmtpSecurity
from tests.doubles.redis_server import START_TIMEOUT_S, free_port


class Mailbox:
    """Takes mail, or answers recipients with what a test says."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.answer = "250 OK"

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(BytesParser(EmailMessage, policy=policy.default).parsebytes(content))
        return "250 OK"


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    handler = Mailbox()
    controller = Controller(
        handler, ready_timeout=START_TIMEOUT_S, hostname="127.0.0.1", port=free_port()
    )
    controller.start()
    yield handler, controller.port
    controller.stop()


def notifier(port: int, security: SmtpSecurity = SmtpSecurity.NONE) -> MailNotifier:
    return MailNotifier(host="127.0.0.1", port=port, security=security, sender="door@example.org")


def test_a_refusal_arrives_with_its_first_line_as_subject(mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    notifier(port).send(Message("guard@example.org", "Refused at Größe\n\nGate: Größe\nWhen: now"))
    (mail,) = box.mails
    assert mail["Subject"] == "Refused at Größe"
    assert mail["To"] == "guard@example.org"
    assert mail["From"] == "door@example.org"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().splitlines() == ["Gate: Größe", "When: now"]


@pytest.mark.parametrize("address", ["guard@example.org\r\nBcc: all@example.org", "guard@\x00"])
def test_an_address_that_breaks_out_of_its_header_is_refused(
    mailbox: tuple[Mailbox, int], address: str
) -> None:
    box, port = mailbox
    with pytest.raises(DeliveryImpossible):
        notifier(port).send(Message(address, "Refused"))
    assert box.mails == []


def test_a_mailbox_that_does_not_exist_is_final(mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    box.answer = "550 no such mailbox"
    with pytest.raises(DeliveryImpossible):
        notifier(port).send(Message("guard@example.org", "Refused"))


def test_a_mailbox_that_is_busy_is_postponed(mailbox: tuple[Mailbox, int]) -> None:
    box, port = mailbox
    box.answer = "451 greylisted, try later"
    with pytest.raises(DeliveryPostponed):
        notifier(port).send(Message("guard@example.org", "Refused"))


def test_a_server_that_is_away_is_postponed() -> None:
    with pytest.raises(DeliveryPostponed):
        notifier(free_port()).send(Message("guard@example.org", "Refused"))


def test_mail_is_not_sent_in_the_clear_where_starttls_is_asked_for(
    mailbox: tuple[Mailbox, int],
) -> None:
    box, port = mailbox
    with pytest.raises(DeliveryPostponed, match="CLOUD_SMTP_SECURITY"):
        notifier(port, SmtpSecurity.STARTTLS).send(Message("guard@example.org", "Refused"))
    assert box.mails == []


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (smtplib.SMTPAuthenticationError(535, b"no"), False),
        (smtplib.SMTPDataError(554, b"no"), True),
        (smtplib.SMTPDataError(451, b"later"), False),
        (smtplib.SMTPServerDisconnected("gone"), False),
        (socket.gaierror("no such host"), False),
        (smtplib.SMTPRecipientsRefused({"a": (550, b""), "b": (451, b"")}), False),
        (smtplib.SMTPRecipientsRefused({"a": (450, b"4.2.0 Greylisted")}), False),
        (smtplib.SMTPConnectError(554, b"no"), False),
        (smtplib.SMTPHeloError(550, b"no"), False),
        (smtplib.SMTPNotSupportedError("SMTPUTF8 not supported by server"), True),
    ],
)
def test_errors_of_the_mail_library_are_told_apart(
    error: OSError | smtplib.SMTPException, final: bool
) -> None:
    assert isinstance(translated(error), DeliveryImpossible) is final


def test_a_mail_has_the_same_in_text_and_in_html_and_one_id_for_every_try(
    mailbox: tuple[Mailbox, int],
) -> None:
    box, port = mailbox
    message = Message("guard@example.org", "Refused\n\nno mask", id="e_s", html="<p>no mask</p>")
    for _ in range(2):
        notifier(port).send(message)
    first, second = box.mails
    assert first["Message-ID"] == second["Message-ID"] == "<e_s@maskgate.invalid>"
    text, html = first.iter_parts()
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    assert "<p>no mask</p>" in html.get_content()


@pytest.mark.parametrize(
    ("code", "text", "gone"),
    [
        (550, b"5.1.1 <a@example.org>: user unknown", True),
        (550, b"No such user here", True),
        (551, b"5.1.6 moved", True),
        (550, b"5.2.1 the mailbox is disabled", True),
        (552, b"5.2.2 the mailbox is full", False),
        (554, b"5.7.1 relay access denied", False),
        (550, b"relay not permitted", False),
        (554, b"rejected as spam", False),
        (550, b"5.7.26 unauthenticated", False),
    ],
)
def test_only_what_is_about_the_mailbox_counts_against_it(
    code: int, text: bytes, gone: bool
) -> None:
    error = translated(smtplib.SMTPRecipientsRefused({"a@example.org": (code, text)}))
    assert isinstance(error, DeliveryImpossible)
    assert isinstance(error, SubscriberGone) is gone
