"""Traces as a collector receives them, from real processes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from cloud import tracing
from cloud.contract import Channel, EnrolmentRequest, Event, Subscriber
from cloud.store import Store, now
from tests.cloud.conftest import GATE, posted
from tests.cloud.processes import environment, process, wait_until_it_answers
from tests.cloud.worker.test_process import settled
from tests.doubles.bot_api import BotApiDouble
from tests.doubles.redis_server import RedisServer, free_port


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """A collector of OTLP over HTTP: its address, and the bodies that it was sent."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_one_trace_goes_from_the_request_to_the_sending(
    store: Store, redis_server: RedisServer, tmp_path: Path, make_event: Callable[..., Event]
) -> None:
    store.gates.subscribe(
        Subscriber(id="a", gate=GATE, channel=Channel.TELEGRAM, address="42", created_at=now())
    )
    code = store.devices.new_code(GATE, timedelta(minutes=5), now())
    device = store.devices.enrol(EnrolmentRequest(code=code.code, name="camera"), now())
    port = free_port()
    with collector() as (endpoint, received), BotApiDouble() as telegram:
        env = environment(
            redis_server.url,
            CLOUD_PORT=str(port),
            CLOUD_TELEGRAM_TOKEN=telegram.token,
            CLOUD_TELEGRAM_API_URL=telegram.url,
            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
        )
        with (
            process("api", env=env, log=tmp_path / "api.log"),
            process("worker", env=env, log=tmp_path / "worker.log"),
        ):
            address = f"http://127.0.0.1:{port}"
            wait_until_it_answers(address, "/readyz")
            event = make_event()
            answer = httpx.post(
                f"{address}/v1/events",
                json=posted(event),
                headers={"Authorization": f"Bearer {device.device_key}"},
                timeout=30,
            )
            token = answer.json()["pass"]["token"]
            httpx.get(f"{address}/p/{token}", timeout=30)
            settled(store, 1)
            deadline = time.monotonic() + 30
            while {"deliver", "send"} - _spans(received).keys():
                assert time.monotonic() < deadline, _spans(received).keys()
                time.sleep(0.1)
        # The last spans are sent when the processes end.
        spans = _spans(received)
    request = spans["POST /v1/events"]
    for name, parent in (("deliver", request), ("send", spans["deliver"])):
        assert spans[name][0] == request[0], name
        assert spans[name][2] == parent[1], name
    for body in received:
        for secret in (token, device.device_key, telegram.token):
            assert secret.encode() not in body


def _spans(bodies: list[bytes]) -> dict[str, tuple[bytes, bytes, bytes]]:
    """Trace, id and parent of each span, by its name."""
    found = {}
    for body in list(bodies):
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    found[span.name] = (span.trace_id, span.span_id, span.parent_span_id)
    return found


def test_without_an_endpoint_nothing_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in tracing.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    tracing.start("test")()
    with tracing.span("anything"):
        assert tracing.carrier() == ""
