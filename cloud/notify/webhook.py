"""Webhooks, by httpx: a signed POST (https://github.com/standard-webhooks/standard-webhooks).

People type a webhook's address, so it must not lead into our own network (OWASP: server-side
request forgery). The host's name is looked up here, and every address of the name must be public.
The connection then goes to an address that was checked, so that a second look-up cannot lead
elsewhere. Redirections are not followed.
"""

import base64
import hashlib
import hmac
import ipaddress
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx
from pydantic import SecretStr

from cloud.errors import DeliveryImpossible, DeliveryPostponed, DeliveryThrottled, SubscriberGone
from cloud.notify.base import Message
from cloud.notify.hosts import is_host

TIMEOUT_S = 10.0
LONGEST_RETRY_AFTER_S = 1e6
"""Limit of what a Retry-After header can ask for; it keeps huge numbers finite."""

SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105 (a prefix)

Resolver = Callable[[str, int], Sequence[str]]


def new_secret() -> str:
    """Return a secret as the standard writes it: `whsec_` and 32 random bytes in base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature(secret: SecretStr, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a body (Standard Webhooks 1.0, 'Symmetric signature').

    Args:
        secret: The webhook's secret.
        message_id: The id of the message.
        timestamp: When the message is sent, in seconds since 1970.
        body: The body.

    Returns:
        `v1,<base64>`: the HMAC-SHA256 of `id.timestamp.body`.
    """
    key = base64.b64decode(secret.get_secret_value().removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def asked_s(retry_after: str, at: datetime) -> float | None:
    """Return for how many seconds a Retry-After header asks us to wait.

    Args:
        retry_after: The header: a number of seconds, or a date (RFC 9110 section 10.2.3).
        at: The current time.

    Returns:
        The seconds, which are 0 for a date in the past; None where the header is empty or neither
        a number nor a date.
    """
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), LONGEST_RETRY_AFTER_S)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    # A date without a zone is in GMT, as all dates of HTTP are.
    aware = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    return min(max((aware - at).total_seconds(), 0.0), LONGEST_RETRY_AFTER_S)


def looked_up(host: str, port: int) -> Sequence[str]:
    """Look a name up in DNS.

    Args:
        host: The name.
        port: The port of the connection.

    Returns:
        The addresses of the name.

    Raises:
        OSError: The name has no address.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class WebhookNotifier:
    """Posts to URLs, over connections that stay open.

    Args:
        private_addresses: Whether webhooks in private networks are called too.
        resolve: Looks a name up.
    """

    def __init__(self, *, private_addresses: bool, resolve: Resolver = looked_up) -> None:
        self._private = private_addresses
        self._resolve = resolve
        self._client = httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)

    def send(self, message: Message) -> str:
        """Post one body.

        Args:
            message: The message; its text is the body.

        Returns:
            An empty text, since webhooks give messages no id.

        Raises:
            DeliveryImpossible: The webhook has no secret, or its address must not be called.
            SubscriberGone: The webhook answered 410: it is gone for good.
            DeliveryThrottled: The webhook answered 429: it takes no more for now.
            DeliveryPostponed: The webhook could not be reached, or its answer was not a success.
        """
        if not message.secrets:
            raise DeliveryImpossible("this webhook's secret is gone; subscribe it anew")
        request = self._request(message)
        try:
            # The answer is a stream that is never read: the other side cannot fill our memory.
            answer = self._client.send(request, stream=True)
            answer.close()
        except httpx.HTTPError as error:
            raise DeliveryPostponed(
                f"the webhook could not be reached: {type(error).__name__}"
            ) from error
        status, asked = answer.status_code, answer.headers.get("Retry-After", "")
        if status == httpx.codes.GONE:
            # RFC 9110 section 15.5.11: likely to be permanent, so that links to it are removed.
            raise SubscriberGone("the webhook answered 410: it wants no more", at_once=True)
        if not 200 <= status < 300:
            wait = asked_s(asked, datetime.now(UTC))
            if status == httpx.codes.TOO_MANY_REQUESTS:
                raise DeliveryThrottled("the webhook answered 429: it takes no more for now", wait)
            if 300 <= status < 400:
                said = f"the webhook answered {status}; redirections are not followed"
                raise DeliveryPostponed(f"{said}: subscribe the address that it leads to", wait)
            raise DeliveryPostponed(f"the webhook answered {status}", wait)
        return ""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _request(self, message: Message) -> httpx.Request:
        url = url_of(message.address, private_addresses=self._private)
        body = message.text.encode()
        moment = int(time.time())
        host = url.host
        return self._client.build_request(
            "POST",
            url.copy_with(host=self._address(url)),
            content=body,
            headers={
                "Host": url.netloc.decode("ascii"),
                "Content-Type": "application/json",
                "User-Agent": "Maskgate-Webhook/1",
                "webhook-id": message.id,
                "webhook-timestamp": str(moment),
                # While a secret is rolled there are two signatures, separated by a space (Standard
                # Webhooks 1.0, 'Zero downtime secret rotation').
                "webhook-signature": " ".join(
                    signature(secret, message.id, moment, body) for secret in message.secrets
                ),
            },
            extensions={"sni_hostname": host},
        )

    def _address(self, url: httpx.URL) -> str:
        port = url.port or (443 if url.scheme == "https" else 80)
        try:
            addresses = self._resolve(url.host, port)
        except OSError as error:
            raise DeliveryPostponed(f"the webhook's host {url.host} was not found") from error
        except (ValueError, OverflowError) as error:
            # A label that is too long, a bad port: an earlier version accepted such addresses.
            raise DeliveryImpossible("this webhook's address cannot be called") from error
        for address in addresses:
            if not self._private and not is_public(address):
                raise DeliveryImpossible(
                    f"the webhook's host {url.host} has a private address; "
                    "CLOUD_WEBHOOK_PRIVATE_ADDRESSES allows that"
                )
        return addresses[0]


def is_public(address: str) -> bool:
    """Return whether an IP address is public, in whatever form it is written."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is not None:
            parsed = inner
    return parsed.is_global and not parsed.is_multicast


def url_of(address: str, *, private_addresses: bool) -> httpx.URL:
    """Return a webhook's URL.

    Args:
        address: The address, as a person typed it.
        private_addresses: Whether plain http and addresses in private networks are allowed.

    Returns:
        The URL.

    Raises:
        DeliveryImpossible: The address is no URL, holds a name and password, or must not be
            called.
    """
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, TypeError, ValueError) as error:
        raise DeliveryImpossible("this is not a URL") from error
    if not url.host or url.scheme not in {"https", "http"}:
        raise DeliveryImpossible("give a whole URL that starts with https://")
    if url.userinfo:
        raise DeliveryImpossible("leave name and password out: the body is signed")
    if "\\" in address or any(letter.isspace() for letter in address):
        raise DeliveryImpossible("this URL holds a space or a backslash; write it as %20 or %5C")
    if not is_host(url.host):
        raise DeliveryImpossible("the host of this URL is neither a name nor an address")
    if url.port is not None and not 1 <= url.port <= 65535:
        raise DeliveryImpossible("the port of this URL is not between 1 and 65535")
    if private_addresses:
        return url
    if url.scheme != "https":
        raise DeliveryImpossible("only https is called")
    try:
        public = is_public(url.host)
    except ValueError:
        # A name whose last label starts with a digit is an IP address in an old spelling, which
        # resolvers still read (https://url.spec.whatwg.org/#ends-in-a-number-checker).
        last = url.host.rstrip(".").rpartition(".")[2]
        public = last not in {"localhost", "local", "internal"} and not last[:1].isdigit()
    if not public:
        raise DeliveryImpossible("this address is in a private network")
    return url
