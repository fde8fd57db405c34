"""Webhooks, by httpx: a signed POST (https://github.com/standard-webhooks/standard-webhooks).

A subscriber's address is typed by people, so it must not lead into our own network (OWASP:
server-side request forgery). The name is looked up here, every address that it has must be a
public one, and the connection goes to the address that was looked at, so that a name cannot
change its mind in between. Redirections are not followed.
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
"""More than anybody waits: longer numbers are cut, so that they stay numbers."""

SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105 (a prefix)

Resolver = Callable[[str, int], Sequence[str]]


def new_secret() -> str:
    """Return a secret as the standard writes it: `whsec_` and 32 random bytes in base64."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature(secret: SecretStr, message_id: str, timestamp: int, body: bytes) -> str:
    """Return `v1,<base64>`: HMAC-SHA256 of `id.timestamp.body` (Standard Webhooks 1.0, 'Symmetric
    signature')."""
    key = base64.b64decode(secret.get_secret_value().removeprefix(SECRET_PREFIX))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def asked_s(retry_after: str, at: datetime) -> float | None:
    """Return for how many seconds a Retry-After header asks us to wait; None where it says nothing.

    It is a number of seconds or a date (RFC 9110 section 10.2.3). A date that is over asks for
    nothing, and what is neither is taken for no header.
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
    """Return the addresses that a name has; raise OSError where it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class WebhookNotifier:
    """Posts to URLs, over connections that are kept."""

    def __init__(self, *, private_addresses: bool, resolve: Resolver = looked_up) -> None:
        self._private = private_addresses
        self._resolve = resolve
        self._client = httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)

    def send(self, message: Message) -> str:
        """Post one body. Any answer of 2xx is taken for a yes, 410 for never again."""
        if not message.secrets:
            raise DeliveryImpossible("this webhook's secret is gone; subscribe it anew")
        request = self._request(message)
        try:
            # As a stream that is never read: the other side cannot fill our memory.
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
                # While a secret is rolled there are two, with a space in between (Standard Webhooks
                # 1.0, 'Zero downtime secret rotation').
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
            # A label that is too long, a port that is none: kept by a version that took them.
            raise DeliveryImpossible("this webhook's address cannot be called") from error
        for address in addresses:
            if not self._private and not is_public(address):
                raise DeliveryImpossible(
                    f"the webhook's host {url.host} has a private address; "
                    "CLOUD_WEBHOOK_PRIVATE_ADDRESSES allows that"
                )
        return addresses[0]


def is_public(address: str) -> bool:
    """Return whether an address is one of the open internet's, however it is written."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is not None:
            parsed = inner
    return parsed.is_global and not parsed.is_multicast


def url_of(address: str, *, private_addresses: bool) -> httpx.URL:
    """Return a webhook's URL; raise DeliveryImpossible where it must not be called.

    Only https, without a name and password, and without an address of our own network in it.
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
        # A last label of digits is an address in an old spelling, which resolvers still read
        # (https://url.spec.whatwg.org/#ends-in-a-number-checker).
        last = url.host.rstrip(".").rpartition(".")[2]
        public = last not in {"localhost", "local", "internal"} and not last[:1].isdigit()
    if not public:
        raise DeliveryImpossible("this address is in a private network")
    return url
