"""The load counts answers, and a refusal is not an answer."""

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest

from benchmarks.load import Load, LoadError, Target, at_once, drive, pace


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/slow":
            time.sleep(0.2)
        self.send_response(503 if self.path == "/closed" else 201)
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


def _target(url: str, **more: object) -> Target:
    return Target(url, lambda: b"{}", {}, **more)  # type: ignore[arg-type]


def test_it_measures_rate_latency_and_processor_time(door: str) -> None:
    target = _target(f"{door}/open", watched=psutil.Process())
    load = drive(target, callers=2, seconds=1)
    assert load.rate > 0
    assert 0 < load.p50_ms <= load.p99_ms
    assert load.processor_us > 0


def test_it_ends_sooner_where_there_is_no_more_to_call_with(door: str) -> None:
    bodies = iter([b"1", b"2", b"3"])
    answers: list[bytes] = []
    target = Target(f"{door}/open", lambda: next(bodies), {}, taken=answers.append)
    drive(target, callers=2, seconds=60, at_most=3)
    assert sorted(answers) == [b"1", b"2", b"3"]


def test_at_a_pace_a_wait_begins_when_its_call_was_due(door: str) -> None:
    load = pace(_target(f"{door}/slow"), rate=20, seconds=0.5, connections=1)
    assert len(load.waits) == 10
    # The calls take turns on the one connection: the last was due long before it could begin.
    assert max(load.waits) > 1.0


def test_all_call_at_once(door: str) -> None:
    assert len(at_once(_target(f"{door}/open"), callers=20).waits) == 20


def test_a_refusal_ends_it(door: str) -> None:
    closed = _target(f"{door}/closed")
    with pytest.raises(LoadError, match="503"):
        drive(closed, callers=2, seconds=5)
    with pytest.raises(LoadError, match="503"):
        pace(closed, rate=10, seconds=0.2)


def test_several_runs_are_one_in_total() -> None:
    total = Load.total([Load([0.1, 0.2], 1.0, 0.5), Load([0.3, 0.4], 3.0, 1.5)])
    assert total.rate == 1.0
    assert total.processor_us == 500_000
    assert total.p99_ms > total.p50_ms
