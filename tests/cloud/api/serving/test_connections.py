"""Clients that speak HTTP badly, slowly or without end, over raw sockets and against a real server:
each is sent away with a plain answer, and nobody else notices."""

import json
import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from cloud.api.app import create_app
from cloud.api.serving.limits import Limits
from cloud.api.serving.server import Server
from cloud.contract import Role
from cloud.settings import Settings
from cloud.store import Store
from tests.cloud.conftest import Login, serving
from tests.cloud.processes import wait_until_it_answers
from tests.doubles.redis_server import free_port

PATIENCE_S = 60
"""How long a test waits for what must happen: on a busy machine, much longer than it takes."""

PROMPT = Limits(head_s=0.4, idle_s=0.4, body_s=2, unread_s=0.5, linger_s=0.5)
"""For clients that are to be late."""

GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /v1/devices/enrol HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def address(shared_settings: Settings) -> Iterator[str]:
    """An API whose limits on size are those of every day, and that never finds a client late."""
    patient = Limits(head_s=600, idle_s=600, body_s=600, unread_s=600, linger_s=600)
    with serving(shared_settings, patient) as at:
        yield at


@pytest.fixture(scope="module")
def prompt(shared_settings: Settings) -> Iterator[str]:
    with serving(shared_settings, PROMPT) as at:
        yield at


@contextmanager
def connected(address: str) -> Iterator[socket.socket]:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as client:
        yield client


def rest(client: socket.socket) -> bytes:
    """Return all that comes until the server has no more to say."""
    said = b""
    try:
        while more := client.recv(65536):
            said += more
    except ConnectionResetError:
        pass
    return said


def told(address: str, *parts: bytes) -> bytes:
    """Return what the server says to `parts` until it ends the connection."""
    with connected(address) as client:
        for part in parts:
            client.sendall(part)
        return rest(client)


def problem(said: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return status, header fields and body of the one answer in `said`."""
    head, _, body = said.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    named = dict(field.split(": ", 1) for field in fields)
    return int(line.split()[1]), named, json.loads(body)


def count(address: str, reason: str) -> float:
    page = httpx.get(f"{address}/metrics", timeout=PATIENCE_S).text
    found = re.search(
        rf'^maskgate_http_connections_ended_total{{reason="{reason}"}} (\S+)$', page, re.M
    )
    return float(found[1]) if found else 0.0


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


TOO_LARGE = [
    (GET[:-2] + b"X-A: " + b"a" * 20_000, 431, "header_fields_too_large"),
    (GET[:-2] + b"X-A: " + b"a" * 17_000 + b"\r\n\r\n", 431, "header_fields_too_large"),
    (GET[:-2] + b"X-A: a\r\n" * 101 + b"\r\n", 431, "header_fields_too_large"),
    (GET[:-2] + b"X-A: a\r\n" * 3_000, 431, "header_fields_too_large"),
    (b"\r\n" * 10_000, 431, "header_fields_too_large"),
    (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "target_too_long"),
    (b"GET /" + b"a" * 20_000, 414, "target_too_long"),
]


@pytest.mark.parametrize(("sent", "status", "code"), TOO_LARGE)
def test_a_head_that_is_too_large_is_refused(
    address: str, sent: bytes, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = count(address, code)
    answered, fields, body = problem(told(address, sent))
    assert (answered, body["status"], body["code"]) == (status, status, code)
    assert fields["content-type"] == "application/problem+json"
    assert fields["connection"] == "close"
    assert fields["x-content-type-options"] == "nosniff"
    assert fields["content-security-policy"].startswith("default-src 'none'")
    assert fields["cache-control"] == "no-store"
    assert count(address, code) == before + 1
    assert errors(caplog) == []


def test_a_head_that_comes_in_pieces_is_measured_as_a_whole(address: str) -> None:
    with connected(address) as client:
        client.sendall(GET[:-2])
        for _ in range(40):
            client.sendall(b"X-A: " + b"a" * 500 + b"\r\n")
        status, _, body = problem(rest(client))
    assert (status, body["code"]) == (431, "header_fields_too_large")


def test_a_head_within_the_limits_is_served(address: str) -> None:
    large = b"GET /healthz?" + b"q" * 7_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    large += b"X-A: " + b"a" * 90 + b"\r\n"
    fields = b"".join(b"X-%d: %s\r\n" % (n, b"a" * 80) for n in range(90))
    assert told(address, large + fields + b"\r\n").startswith(b"HTTP/1.1 200")


NOT_HTTP = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),  # a TLS hello
    bytes(100),
    b"hello\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /healthz HTTP/3.7\r\nHost: x\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    GET[:-2] + b"X-A: a\x00b\r\n\r\n",
    GET[:-2] + b"X-A : b\r\n\r\n",
    GET[:-2] + b" folded\r\n\r\n",
    b"GET /healthz HTTP/1.1\nHost: x\n\n",
    b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n",
    POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    POST + b"Content-Length: -2\r\n\r\n{}",
    POST + b"Content-Length: +2\r\n\r\n{}",
    POST + b"Content-Length: 0x2\r\n\r\n{}",
    POST + b"Content-Length: 99999999999999999999\r\n\r\n{}",
    POST + b"Transfer-Encoding: gzip\r\n\r\n{}",
    POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n{}",
    POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
    POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}x",
    POST + b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\n{}",
]


@pytest.mark.parametrize("sent", NOT_HTTP, ids=lambda sent: ascii(sent[-40:]))
def test_what_is_not_http_is_answered_once_and_ends(
    address: str, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    said = told(address, sent)
    status, fields, body = problem(said)
    assert (status, body["code"]) == (400, "http_invalid")
    assert fields["content-type"] == "application/problem+json"
    assert said.count(b"HTTP/1.1 400") == 1
    assert errors(caplog) == []


@pytest.mark.parametrize(
    "framing",
    [
        b"1;" + b"a" * 100_000,
        b"0\r\nX-A: " + b"a" * 100_000,
        b"0\r\n" + b"X-A: a\r\n" * 20_000,
        b"1;a=b\r\nx\r\n" * 20_000,
    ],
)
def test_a_body_that_is_all_framing_is_refused(
    address: str, framing: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    said = told(address, POST + b"Transfer-Encoding: chunked\r\n\r\n" + framing)
    status, _, body = problem(said)
    assert status in {400, 413}
    assert body["code"] in {"http_invalid", "body_too_large"}
    assert errors(caplog) == []


def test_trailers_are_no_header_fields(address: str, login: Login) -> None:
    key = login(Role.ADMIN).headers["Authorization"].encode()
    body = b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\nAuthorization: "
    with connected(address) as client:
        client.sendall(b"POST /v1/gates HTTP/1.1\r\nHost: x\r\n" + body + key + b"\r\n\r\n")
        status, _, said = problem(rest(client))
    assert (status, said["code"]) == (401, "key_missing")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET http://elsewhere.example/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        GET[:-2]
        + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
        GET[:-2] + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
        GET[:-2] + b"Connection: close\r\n\r\n" + bytes(50),
        b"GET /healthz HTTP/1.0\r\n\r\n",
    ],
)
def test_what_may_be_served_is_served_once(address: str, sent: bytes) -> None:
    said = told(address, sent)
    assert said.startswith(b"HTTP/1.1 200")
    assert said.count(b"HTTP/1.1 ") == 1


def test_requests_sent_ahead_are_answered_up_to_a_number(address: str) -> None:
    few = told(address, GET * 9 + GET[:-2] + b"Connection: close\r\n\r\n")
    assert few.count(b"HTTP/1.1 200") == 10
    many = told(address, GET * 5_000)
    assert 1 <= many.count(b"HTTP/1.1 200") <= Limits().ahead + 2
    assert many.count(b"HTTP/1.1 ") == many.count(b"HTTP/1.1 200")


def test_an_answer_is_not_torn_by_what_follows_its_request(address: str) -> None:
    said = told(address, GET + bytes(100))
    assert said.startswith(b"HTTP/1.1 200")
    assert said.count(b"HTTP/1.1 ") <= 2


LATE = [
    GET[:20],
    GET[:-2],
    b"\r\n",
    POST + b"Content-Length: 20\r\n\r\n{",
    POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
]


@pytest.mark.parametrize("sent", LATE)
def test_a_request_that_stops_half_way_is_answered_408(
    prompt: str, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    status, fields, body = problem(told(prompt, sent))
    assert (status, body["code"]) == (408, "request_timeout")
    assert fields["connection"] == "close"
    assert errors(caplog) == []


@pytest.mark.parametrize(
    "head", [GET[:-2] + b"X-A: ", POST + b"Content-Length: 60000\r\n\r\n", b""]
)
def test_a_request_that_comes_byte_by_byte_is_answered_408(prompt: str, head: bytes) -> None:
    with connected(prompt) as client:
        client.sendall(head)
        client.settimeout(0.05)
        said = b""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                client.send(b"\r\n" if not head else b"a")
                more = client.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                break
            if not more:
                break
            said += more
    status, _, body = problem(said)
    assert (status, body["code"]) == (408, "request_timeout")


def test_a_connection_on_which_nothing_comes_is_closed(prompt: str) -> None:
    assert told(prompt) == b""


def test_a_request_whose_body_is_late_counts_as_408(
    prompt: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "cloud.api"):
        told(prompt, POST + b"Content-Length: 20\r\n\r\n{")
        page = httpx.get(f"{prompt}/metrics", timeout=PATIENCE_S).text
    assert 'route="/v1/devices/enrol",status="408"' in page
    assert 'status="5' not in page


def test_half_sent_requests_are_gone_and_others_are_served_meanwhile(prompt: str) -> None:
    half = [socket.create_connection(_place(prompt), timeout=PATIENCE_S) for _ in range(100)]
    try:
        for client in half:
            client.sendall(GET[:-2])
        assert httpx.get(f"{prompt}/healthz", timeout=PATIENCE_S).status_code == 200
        for client in half:
            assert rest(client).startswith(b"HTTP/1.1 408")
    finally:
        for client in half:
            client.close()


def test_past_the_limit_who_waits_longest_makes_room(settings: Settings) -> None:
    with serving(settings, Limits(connections=20, head_s=600)) as at:
        half = [socket.create_connection(_place(at), timeout=PATIENCE_S) for _ in range(40)]
        try:
            for client in half:
                client.sendall(GET[:-2])
            assert httpx.get(f"{at}/healthz", timeout=PATIENCE_S).status_code == 200
            assert count(at, "make_room") >= 20
            assert rest(half[0]) == b""
        finally:
            for client in half:
                client.close()


def test_past_the_limit_with_everybody_being_answered_one_is_told_so(settings: Settings) -> None:
    with serving(settings, Limits(connections=5, head_s=600, idle_s=600, body_s=600)) as at:
        busy = [socket.create_connection(_place(at), timeout=PATIENCE_S) for _ in range(5)]
        try:
            for client in busy:
                client.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 20\r\n\r\n")
                assert client.recv(100).startswith(b"HTTP/1.1 100")
            status, fields, body = problem(told(at))
            assert (status, body["code"]) == (503, "too_many_connections")
            assert int(fields["retry-after"]) > 0
        finally:
            for client in busy:
                client.close()


def _place(address: str) -> tuple[str, int]:
    host, port = address.removeprefix("http://").split(":")
    return host, int(port)


def _unread(address: str) -> socket.socket:
    """Return a client that asks for more than fits on the way, and reads none of it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(PATIENCE_S)
    client.connect(_place(address))
    client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 16)
    return client


def test_a_client_that_does_not_read_its_answer_is_cut_off(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(settings, Limits(unread_s=0.5)) as at:
        client = _unread(at)
        until = time.monotonic() + PATIENCE_S
        while not count(at, "answer_unread") and time.monotonic() < until:
            time.sleep(0.1)
        assert count(at, "answer_unread") == 1
        client.close()
    assert errors(caplog) == []


def test_a_body_that_was_answered_early_may_end_and_the_connection_goes_on(address: str) -> None:
    with connected(address) as client:
        head = b"POST /v1/gates HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n"
        client.sendall(head + b"x" * 1000)
        said = b""
        while b"body_too_large" not in said:
            said += client.recv(65536)
        client.sendall(b"x" * 199_000 + GET[:-2] + b"Connection: close\r\n\r\n")
        assert b"HTTP/1.1 200" in rest(client)


def test_the_server_ends_in_time_whatever_clients_do(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    server = Server(
        create_app(settings), host="127.0.0.1", port=port, limits=Limits(hurry_s=0.3, linger_s=0.3)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    at = f"http://127.0.0.1:{port}"
    wait_until_it_answers(at)
    clients = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(3)]
    clients[0].sendall(GET[:-2])
    clients[1].sendall(POST + b"Content-Length: 20\r\n\r\n{")
    clients.append(_unread(at))
    assert httpx.get(f"{at}/healthz", timeout=PATIENCE_S).status_code == 200
    server.should_exit = True
    thread.join(timeout=PATIENCE_S)
    assert not thread.is_alive()
    for client in clients:
        client.close()
    assert errors(caplog) == []


def test_a_client_that_hangs_up_in_its_body_is_no_error_of_ours(
    address: str, login: Login, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    device = login(Role.DEVICE).headers["Authorization"].encode()
    admin = login(Role.ADMIN).headers["Authorization"].encode()
    before = httpx.get(f"{address}/metrics", timeout=PATIENCE_S).text
    sent = {
        "/v1/events": (b"POST", device),
        "/v1/passes/redeem": (b"POST", admin),
        "/v1/devices/enrol": (b"POST", admin),
        "/v1/gates": (b"POST", admin),
        "/v1/devices/me/preview": (b"PUT", device),
    }
    with caplog.at_level(logging.INFO, "cloud.api"):
        for path, (method, key) in sent.items():
            with connected(address) as client:
                client.sendall(
                    method
                    + b" "
                    + path.encode()
                    + b" HTTP/1.1\r\nHost: x\r\nAuthorization: "
                    + key
                    + b"\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
                )
                client.shutdown(socket.SHUT_WR)
            for _ in range(PATIENCE_S * 20):
                page = httpx.get(f"{address}/metrics", timeout=PATIENCE_S).text
                if f'route="{path}",status="499"' in page:
                    break
                time.sleep(0.05)
            assert f'route="{path}",status="499"' in page
    assert [line for line in page.splitlines() if 'status="5' in line] == [
        line for line in before.splitlines() if 'status="5' in line
    ]
    assert errors(caplog) == []
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize(
    "path", ["/v1/events/stream", "/v1/events/export", "/v1/devices/me/commands"]
)
def test_a_client_that_hangs_up_in_its_answer_is_no_error_of_ours(
    address: str, login: Login, store: Store, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    role = Role.DEVICE if "devices" in path else Role.ADMIN
    key = login(role).headers["Authorization"].encode()
    query = b"?wait=1" if "devices" in path else b""
    with caplog.at_level(logging.INFO, "cloud.api"):
        with connected(address) as client:
            client.sendall(
                b"GET "
                + path.encode()
                + query
                + b" HTTP/1.1\r\nHost: x\r\nAuthorization: "
                + key
                + b"\r\n\r\n"
            )
            if not query:
                assert client.recv(10).startswith(b"HTTP/1.1 2")
        for _ in range(PATIENCE_S * 20):
            page = httpx.get(f"{address}/metrics", timeout=PATIENCE_S).text
            if f'method="GET",route="{path}"' in page:
                break
            time.sleep(0.05)
    assert f'method="GET",route="{path}"' in page
    assert errors(caplog) == []
    assert 'status="5' not in page
