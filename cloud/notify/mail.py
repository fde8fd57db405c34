"""E-mail, by smtplib. The first line of a message's text is its subject."""

import smtplib
import ssl
from email.errors import MessageError
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import quote

from pydantic import SecretStr

from cloud.errors import DeliveryError, DeliveryImpossible, DeliveryPostponed
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


def translated(error: OSError | smtplib.SMTPException) -> DeliveryError:
    """Return what an error of smtplib means to a delivery (RFC 5321 section 4.2.1: 5yz is final).

    Wrong credentials are not final: an operator mends them, and the mail still goes out.
    """
    match error:
        case smtplib.SMTPRecipientsRefused():
            codes = {code for code, _ in error.recipients.values()}
            if all(code >= 500 for code in codes):
                return DeliveryImpossible("the mail server does not take mail for this address")
            return DeliveryPostponed("the mail server does not take mail for this address now")
        case smtplib.SMTPAuthenticationError():
            return DeliveryPostponed("the mail server refused CLOUD_SMTP_USERNAME and its password")
        case smtplib.SMTPResponseException() if error.smtp_code >= 500:
            return DeliveryImpossible(f"the mail server refused the mail: {error.smtp_code}")
        case smtplib.SMTPNotSupportedError():
            return DeliveryPostponed(
                "the mail server offers no STARTTLS; set CLOUD_SMTP_SECURITY to tls, or to none"
            )
        case _:
            return DeliveryPostponed(f"the mail server could not be used: {error}")
