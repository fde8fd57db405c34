"""A network camera that cannot be opened is named with its reason."""

import base64
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from structlog.testing import capture_logs

from edge.capture.connection_faults import connection_fault
from edge.capture.sources import Source
from edge.errors import SourceUnreadableError

LOGIN = f"Basic {base64.b64encode(b'admin:right').decode()}"


class HttpCamera(BaseHTTPRequestHandler):
    """Knows two paths, one for each way to log in, and nobody by digest."""

    def do_GET(self) -> None:
        said = self.headers.get("Authorization")
        digest = 'Digest realm="camera", nonce="a1", qop="auth"'
        if self.path == "/private":
            self._answer(403)
        elif self.path == "/digest":
            self._answer(401, digest)
        else:
            self._answer(404 if said == LOGIN else 401, 'Basic realm="camera"')

    def _answer(self, status: int, challenge: str = "") -> None:
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", challenge)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Write nothing into the output of the test."""


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), HttpCamera)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("path", ["basic", "digest"])
def test_an_http_camera_that_refuses_the_login_is_named(host: str, path: str) -> None:
    with capture_logs() as logs, pytest.raises(SourceUnreadableError) as caught:
        Source.parse(f"http://admin:Zq7wert@{host}/{path}").open()
    assert "refuses the user name or the password" in caught.value.problem
    assert "EDGE_SOURCE" in caught.value.mend
    assert [line["event"] for line in logs] == ["camera_login_refused"]
    assert "Zq7wert" not in f"{caught.value} {logs}"


@pytest.mark.parametrize(
    ("path", "words"), [("basic", "no such path (HTTP 404)"), ("private", "HTTP 403")]
)
def test_a_right_login_and_a_wrong_path_are_told_apart(host: str, path: str, words: str) -> None:
    fault = connection_fault(f"http://admin:right@{host}/{path}")
    assert fault is not None
    assert words in fault.why
    assert not fault.is_login_refused


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_a_refused_connection_names_host_and_port(scheme: str) -> None:
    with pytest.raises(SourceUnreadableError, match=r"127\.0\.0\.1 refuses the connection at port"):
        Source.parse(f"{scheme}://admin:Zq7wert@127.0.0.1:9/1").open()


def test_a_host_that_does_not_resolve_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    fault = connection_fault("http://kamera.invalid/1")
    assert fault is not None
    assert fault.why == "the host name kamera.invalid does not resolve"


def test_a_host_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", silent)
    fault = connection_fault("rtsp://10.0.0.5/1")
    assert fault is not None
    assert fault.why == "10.0.0.5 does not answer at port 554 within 2 s"


def test_a_camera_that_connects_and_sends_nothing_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        fault = connection_fault(f"rtsp://127.0.0.1:{port}/1", timed_out_s=8.1)
    assert fault is not None
    assert f"accepts the connection at port {port}, and sends nothing for 8 s" in fault.why


def test_an_address_without_a_valid_port_is_named() -> None:
    fault = connection_fault("rtsp://camera:port/1")
    assert fault is not None
    assert "no valid host and port" in fault.why
