"""Webhooks against a receiver over HTTP, which checks signatures as the standard says."""

import base64
import contextlib
import dataclasses
import gzip
import hashlib
import hmac
import itertools
import json
import resource
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr

from cloud.errors import DeliveryImpossible, DeliveryPostponed, DeliveryThrottled
from cloud.notify.base import Message
from cloud.notify.webhook import (
    LONGEST_RETRY_AFTER_S,
    WebhookNotifier,
    asked_s,
    is_public,
    new_secret,
    signature,
    url_of,
)
from tests.doubles.redis_server import free_port

SECRET = new_secret()


@dataclass
class Receiver:
    port: int = 0
    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    bodies: list[dict[str, str]] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)
    verified: list[bool] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    held = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode()
            key = base64.b64decode(SECRET.removeprefix("whsec_"))
            digest = hmac.new(key, signed + body, hashlib.sha256).digest()
            expected = "v1," + base64.b64encode(digest).decode()
            held.signatures.append(self.headers["webhook-signature"])
            held.verified.append(
                expected in self.headers["webhook-signature"].split(" ")
                and abs(time.time() - int(self.headers["webhook-timestamp"])) < 60
            )
            held.bodies.append(json.loads(body))
            held.hosts.append(self.headers["Host"])
            self.send_response(held.status)
            for name, value in held.headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield held
    server.shutdown()
    server.server_close()


@pytest.fixture
def webhook() -> Iterator[WebhookNotifier]:
    notifier = WebhookNotifier(private_addresses=True)
    yield notifier
    notifier.close()


def message(port: int, host: str = "127.0.0.1") -> Message:
    secret = SecretStr(SECRET)
    return Message(
        f"http://{host}:{port}/hook?x=1", '{"type": "pass.issued"}', id="e_s", secrets=(secret,)
    )


def test_the_signature_is_the_one_that_the_standards_own_libraries_make() -> None:
    """The example that the reference implementations are tested with."""
    secret = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_body_arrives_signed_under_its_own_host(
    receiver: Receiver, webhook: WebhookNotifier
) -> None:
    webhook.send(message(receiver.port, "localhost"))
    assert receiver.bodies == [{"type": "pass.issued"}]
    assert receiver.verified == [True]
    assert receiver.hosts == [f"localhost:{receiver.port}"]
    assert SECRET not in repr(message(receiver.port))


def test_while_a_secret_is_rolled_a_body_is_signed_with_both(
    receiver: Receiver, webhook: WebhookNotifier
) -> None:
    old, new = SecretStr(SECRET), SecretStr(new_secret())
    webhook.send(dataclasses.replace(message(receiver.port), secrets=(new, old)))
    assert receiver.verified == [True]
    first, second = receiver.signatures[0].split(" ")
    assert first.startswith("v1,")
    assert second.startswith("v1,")
    assert first != second


@pytest.mark.parametrize("status", [301, 400, 404, 500, 503])
def test_an_answer_that_is_no_success_is_postponed(
    receiver: Receiver, webhook: WebhookNotifier, status: int
) -> None:
    receiver.status = status
    receiver.headers = {"Location": "http://169.254.169.254/", "Retry-After": "7"}
    with pytest.raises(DeliveryPostponed, match=str(status)) as raised:
        webhook.send(message(receiver.port))
    assert raised.value.retry_after_s == 7
    assert len(receiver.bodies) == 1


def test_a_429_is_told_apart_from_a_breakdown(receiver: Receiver, webhook: WebhookNotifier) -> None:
    receiver.status = 429
    receiver.headers = {"Retry-After": "17"}
    with pytest.raises(DeliveryThrottled) as raised:
        webhook.send(message(receiver.port))
    assert raised.value.retry_after_s == 17


AT = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3),
        (" 120 ", 120),
        ("0", 0),
        ("Mon, 02 Mar 2026 08:01:00 GMT", 60),
        ("Monday, 02-Mar-26 08:01:00 GMT", 60),
        ("Sun, 01 Mar 2026 08:00:00 GMT", 0),
        ("1000000000", LONGEST_RETRY_AFTER_S),
        ("9" * 400, LONGEST_RETRY_AFTER_S),
        *((header, None) for header in ("", "-5", "1.5", "soon", "3 s", "٣", "1e9", "nan", "inf")),
        ("Mon, 99 Mar 2026 08:01:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_else_nothing(
    header: str, seconds: float | None
) -> None:
    assert asked_s(header, AT) == seconds


def test_gone_is_final(receiver: Receiver, webhook: WebhookNotifier) -> None:
    receiver.status = 410
    with pytest.raises(DeliveryImpossible, match="410"):
        webhook.send(message(receiver.port))


class Raw:
    """A server that answers every connection with the same bytes, whatever is asked."""

    def __init__(self, answer: Iterable[bytes]) -> None:
        self._answer = answer
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                with connection, contextlib.suppress(OSError):
                    connection.recv(65_536)
                    for part in self._answer:
                        connection.sendall(part)

    def close(self) -> None:
        self._server.close()


BOMB = gzip.compress(bytes(50_000_000))


@pytest.mark.parametrize(
    "body",
    [
        itertools.repeat(b"x" * 65_536, 20_000),
        [b"", BOMB],
    ],
    ids=["1.3 GB", "a bomb"],
)
def test_a_webhooks_answer_is_not_read(webhook: WebhookNotifier, body: list[bytes]) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1310720000\r\n\r\n"
    server = Raw(itertools.chain([head], body))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    webhook.send(message(server.port))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB
    server.close()


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 OK\r\n\r\n"),
        b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 1_000_000,
    ],
)
def test_an_answer_that_is_not_http_is_postponed(webhook: WebhookNotifier, answer: bytes) -> None:
    server = Raw([answer])
    with pytest.raises(DeliveryPostponed):
        webhook.send(message(server.port))
    server.close()


def test_a_port_without_tls_is_postponed(receiver: Receiver, webhook: WebhookNotifier) -> None:
    there = dataclasses.replace(
        message(receiver.port), address=f"https://127.0.0.1:{receiver.port}/"
    )
    with pytest.raises(DeliveryPostponed):
        webhook.send(there)
    assert receiver.bodies == []


@pytest.mark.parametrize("host", ["a" * 64 + ".example.org", "hooks.example.org:99999"])
def test_an_address_that_cannot_be_called_breaks_no_job(host: str) -> None:
    notifier = WebhookNotifier(private_addresses=False)
    with pytest.raises((DeliveryImpossible, DeliveryPostponed)):
        notifier.send(Message(f"https://{host}/", "{}", id="x", secrets=(SecretStr(SECRET),)))
    notifier.close()


def test_a_redirection_is_told_and_not_followed(
    receiver: Receiver, webhook: WebhookNotifier
) -> None:
    receiver.status = 302
    receiver.headers = {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"}
    with pytest.raises(DeliveryPostponed, match="redirections are not followed"):
        webhook.send(message(receiver.port))
    assert len(receiver.bodies) == 1


def test_an_unreachable_server_is_postponed(webhook: WebhookNotifier) -> None:
    with pytest.raises(DeliveryPostponed, match="ConnectError"):
        webhook.send(message(free_port()))


def test_a_name_that_leads_into_our_network_is_not_called() -> None:
    """The name is public when it is subscribed, and changes its mind when it is called."""
    notifier = WebhookNotifier(
        private_addresses=False, resolve=lambda _host, _port: ["93.184.216.34", "10.0.0.7"]
    )
    secret = SecretStr(SECRET)
    with pytest.raises(DeliveryImpossible, match="private address"):
        notifier.send(Message("https://hooks.example.org/", "{}", id="x", secrets=(secret,)))
    notifier.close()


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1", "169.254.169.254", "0.0.0.0"),
        *("::1", "fe80::1%eth0", "fc00::1", "::ffff:127.0.0.1", "100.64.0.1", "224.0.0.1"),
        *("255.255.255.255", "2002:7f00:1::"),
    ],
)
def test_addresses_of_our_own_network_are_not_public(address: str) -> None:
    assert not is_public(address)


def test_addresses_of_the_internet_are_public() -> None:
    assert is_public("93.184.216.34")
    assert is_public("2606:2800:220:1:248:1893:25c8:1946")


@pytest.mark.parametrize(
    "address",
    [
        *("http://example.org/", "https://127.0.0.1/", "https://2130706433/", "https://127.1/"),
        *("https://a@example.org/", "https://", "file:///etc/passwd", "javascript:alert(1)", ""),
    ],
)
def test_an_address_that_must_not_be_called_is_refused(address: str) -> None:
    with pytest.raises(DeliveryImpossible):
        url_of(address, private_addresses=False)
