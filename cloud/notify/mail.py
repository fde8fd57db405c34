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
    """Sends mail, each over a connection of its own, since mails are rare.

    Args:
        host: The mail server.
        port: Its port.
        security: How the connection is encrypted.
        sender: The address that mails come from.
        username: The name to log in with; None for no login.
        password: The password to log in with.
    """

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
        """Send one mail.

        Args:
            message: The message; its address is `name@domain` alone.

        Returns:
            The mail's Message-ID.

        Raises:
            DeliveryImpossible: No mail can be written to this address, or the server refused it.
            DeliveryPostponed: The server could not be used, or takes no mail now.
        """
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
            refusal = translated(error)
            raise refusal from error
        return str(mail["Message-ID"])

    def close(self) -> None:
        """Do nothing: no connection stays open."""

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
        # RFC 3834 section 5: no out-of-office answers, please.
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(body.strip() + "\n")
        if message.html is not None:
            mail.add_alternative(message.html, subtype="html")
        return mail


def _message_id(delivery: str) -> str:
    """Return the same id for every try, so that a mailbox may recognise a repetition."""
    if not delivery:
        return make_msgid(domain="maskgate.invalid")
    return f"<{quote(delivery, safe='')}@maskgate.invalid>"


def of_the_mailbox(code: int, text: bytes) -> bool:
    """Return whether a refusal is about the recipient's mailbox, and not about us or the mail.

    An enhanced status code decides where there is one (RFC 3463 sections 3.2 and 3.3): the mailbox
    is bad, has moved or is switched off. Without one the reply code decides (RFC 5321 section
    4.2.3), unless the text says that the server relays nothing for us: such a server refuses every
    mailbox.

    Args:
        code: The reply code.
        text: The reply's text.

    Returns:
        True where the mailbox is at fault.
    """
    enhanced = re.match(rb"5\.(\d{1,3})\.(\d{1,3})\b", text.strip())
    if enhanced is not None:
        return enhanced[1] == b"1" or (enhanced[1], enhanced[2]) == (b"2", b"1")
    return code in {550, 551, 553} and b"relay" not in text.lower()


def translated(error: OSError | smtplib.SMTPException) -> DeliveryError:
    """Translate an error of smtplib.

    A code of 5yz is final (RFC 5321 section 4.2.1). Wrong credentials are not final: an operator
    corrects them, and the mail is still sent.

    Args:
        error: The error.

    Returns:
        The error of the delivery.
    """
    match error:
        case smtplib.SMTPRecipientsRefused():
            return _refused(list(error.recipients.values()))
        case smtplib.SMTPAuthenticationError():
            return DeliveryPostponed("the mail server refused CLOUD_SMTP_USERNAME and its password")
        case smtplib.SMTPConnectError() | smtplib.SMTPHeloError():
            # The server says this before it sees a mail, so the mail is not at fault.
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
