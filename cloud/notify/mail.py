"""E-mail, by smtplib. The first line of a message's text is its subject."""

import re
import smtplib
import ssl
from collections.abc import Sequence
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import quote

from pydantic import SecretStr

from cloud.errors import DeliveryError, DeliveryImpossible, DeliveryPostponed, SubscriberGone
from cloud.notify.base import Message
from cloud.settings import SmtpSecurity

TIMEOUT_S = 15.0


class MailNotifier:
    """Sends over a connection of its own for each mail: refusals are few and far between."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        security: SmtpSecurity,
        sender: str,
        username: str | None = None,
        password: SecretStr | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._security = security
        self._sender = sender
        self._username = username
        self._password = password

    def send(self, message: Message) -> str:
        """Send one mail and return its Message-ID; the address is a bare `name@domain`."""
        try:
            mail = self._mail(message)
        except (ValueError, MessageError) as error:
            raise DeliveryImpossible(f"no mail can be written to this address: {error}") from error
        try:
            with self._connection() as server:
                if self._username is not None and self._password is not None:
                    server.login(self._username, self._password.get_secret_value())
                server.send_message(mail)
        except (OSError, smtplib.SMTPException) as error:
            raise translated(error) from error
        return str(mail["Message-ID"])

    def close(self) -> None:
        """Nothing is kept open."""

    def _connection(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._security is SmtpSecurity.TLS:
            return smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT_S, context=context)
        server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_S)
        if self._security is SmtpSecurity.STARTTLS:
            try:
                server.starttls(context=context)
            except (OSError, smtplib.SMTPException):
                server.close()
                raise
        return server

    def _mail(self, message: Message) -> EmailMessage:
        if not message.address.isprintable():
            raise ValueError("it holds control characters")
        mail = EmailMessage()
        subject, _, body = message.text.partition("\n")
        mail["Subject"] = " ".join(subject.split())
        mail["From"] = self._sender
        mail["To"] = message.address
        mail["Date"] = formatdate(localtime=False)
        mail["Message-ID"] = _message_id(message.id)
        # RFC 3834 section 5: so that out-of-office answers are not sent to us.
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(body.strip() + "\n")
        if message.html is not None:
            mail.add_alternative(message.html, subtype="html")
        return mail


def _message_id(delivery: str) -> str:
    """Return the same id for every try at a delivery, so that a mailbox may know a double."""
    if not delivery:
        return make_msgid(domain="maskgate.invalid")
    return f"<{quote(delivery, safe='')}@maskgate.invalid>"


def of_the_mailbox(code: int, text: bytes) -> bool:
    """Return whether a recipient's refusal is about the mailbox, and not about us or the mail.

    By the enhanced status code where there is one (RFC 3463 sections 3.2 and 3.3): a bad or a moved
    mailbox, or one that is switched off. Else by the reply code (RFC 5321 section 4.2.3), unless it
    says that the server relays nothing for us: that refuses every mailbox alike.
    """
    enhanced = re.match(rb"5\.(\d{1,3})\.(\d{1,3})\b", text.strip())
    if enhanced is not None:
        return enhanced[1] == b"1" or (enhanced[1], enhanced[2]) == (b"2", b"1")
    return code in {550, 551, 553} and b"relay" not in text.lower()


def translated(error: OSError | smtplib.SMTPException) -> DeliveryError:
    """Return what an error of smtplib means to a delivery (RFC 5321 section 4.2.1: 5yz is final).

    Wrong credentials are not final: an operator mends them, and the mail still goes out.
    """
    match error:
        case smtplib.SMTPRecipientsRefused():
            return _refused(list(error.recipients.values()))
        case smtplib.SMTPAuthenticationError():
            return DeliveryPostponed("the mail server refused CLOUD_SMTP_USERNAME and its password")
        case smtplib.SMTPConnectError() | smtplib.SMTPHeloError():
            # Said before there was a mail, so it is not about the mail.
            return DeliveryPostponed(f"the mail server turned us away: {error.smtp_code}")
        case smtplib.SMTPResponseException() if error.smtp_code >= 500:
            return DeliveryImpossible(f"the mail server refused the mail: {error.smtp_code}")
        case smtplib.SMTPNotSupportedError():
            return _unsupported(error)
    return DeliveryPostponed(f"the mail server could not be used: {error}")


def _refused(answers: Sequence[tuple[int, bytes]]) -> DeliveryError:
    if any(code < 500 for code, _ in answers):
        return DeliveryPostponed("the mail server does not take mail for this address now")
    said = "the mail server does not take mail for this address"
    if all(of_the_mailbox(code, text) for code, text in answers):
        return SubscriberGone(said)
    return DeliveryImpossible(said)


def _unsupported(error: smtplib.SMTPNotSupportedError) -> DeliveryError:
    if "SMTPUTF8" in str(error):
        return DeliveryImpossible("the mail server takes addresses of ASCII letters alone")
    return DeliveryPostponed(
        "the mail server offers no STARTTLS; set CLOUD_SMTP_SECURITY to tls, or to none"
    )
