"""The probe, as an image's health check runs it."""

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.ipv6 import needs_ipv6

PROBE = Path(__file__).parents[2] / "docker" / "assembly" / "probe.py"
PAGE = b"# TYPE maskgate_edge_camera_stalled gauge\nmaskgate_edge_camera_stalled 0.0\nother 1.0\n"
NOBODY = "http://127.0.0.1:1/"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/metrics" else 503)
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, *_: object) -> None:
        """Keep the test's output to itself."""


class _Server6(HTTPServer):
    address_family = socket.AF_INET6


@contextmanager
def _answering(server: HTTPServer) -> Iterator[int]:
    """Serve for the length of a `with`, and give the port."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def address() -> Iterator[str]:
    with _answering(HTTPServer(("127.0.0.1", 0), _Handler)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def heartbeats(tmp_path: Path) -> str:
    """Return a folder with files of heartbeats: new, old, ahead, empty."""
    for name, age_s in {"new": 0.0, "old": 31.0, "ahead": -60.0}.items():
        (tmp_path / name).write_text(f"{time.monotonic() - age_s:.3f}\n")
    (tmp_path / "empty").touch()
    return str(tmp_path)


def _probe(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"http_proxy": NOBODY}
    return subprocess.run(
        [sys.executable, str(PROBE), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_address_that_answers_is_well(address: str) -> None:
    assert _probe(f"{address}/metrics").returncode == 0
    assert _probe(NOBODY, f"{address}/metrics").returncode == 0
    assert _probe(f"{address}/metrics", "maskgate_edge_camera_stalled=0", "other=1").returncode == 0


def test_a_recent_sign_of_life_is_well(address: str, heartbeats: str) -> None:
    assert _probe(f"{heartbeats}/new").returncode == 0
    assert _probe(f"{heartbeats}/new", f"{address}/metrics", "other=1").returncode == 0


@needs_ipv6
def test_an_address_of_ipv6_is_asked() -> None:
    with _answering(_Server6(("::1", 0), _Handler)) as port:
        assert _probe(f"http://[::1]:{port}/metrics", "other=1").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ADDRESS/readyz"], "503"),
        ([NOBODY], "refused"),
        ([], "no address"),
        (["FILE/gone"], "no sign of life"),
        (["FILE/old"], "s old"),
        (["FILE/ahead", "ADDRESS/metrics"], "s old"),
        (["FILE/empty"], "no sign of life"),
        (["FILE/new", "ADDRESS/readyz"], "503"),
        (["ADDRESS/metrics", "other=0"], "other is 1.0, not 0.0"),
        (["ADDRESS/metrics", "gone=0"], "gone is None"),
    ],
)
def test_what_is_wrong_is_said(
    address: str, heartbeats: str, arguments: list[str], says: str
) -> None:
    places = {"ADDRESS": address, "FILE": heartbeats}
    for place, there in places.items():
        arguments = [each.replace(place, there) for each in arguments]
    done = _probe(*arguments)
    assert done.returncode == 1
    assert says in done.stderr
