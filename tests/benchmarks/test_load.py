"""The load counts answers, and a refusal is not an answer."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.load import LoadError, drive


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201 if self.path == "/open" else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's name
        """Keep quiet."""


@pytest.fixture
def door() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Door)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_it_measures_rate_and_latency(door: str) -> None:
    load = drive(f"{door}/open", lambda: b"{}", {}, callers=2, seconds=0.3)
    assert load.rate > 10
    assert 0 < load.p50_ms <= load.p99_ms


def test_a_refusal_ends_it(door: str) -> None:
    with pytest.raises(LoadError, match="503"):
        drive(f"{door}/closed", lambda: b"{}", {}, callers=2, seconds=5)
