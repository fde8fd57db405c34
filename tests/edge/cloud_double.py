"""A double of the cloud that speaks HTTP: answers as the contract says, or fails as it is told."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from cloud.contract import (
    Access,
    Command,
    CommandPage,
    Decision,
    DeviceLog,
    DeviceSettings,
    Enrolment,
    EnrolmentRequest,
    Event,
    GateSettings,
    Heartbeat,
    IssuedPass,
    Label,
    Problem,
    ProblemCode,
    Refusal,
    RefusalReason,
    RolledKey,
)
from tests.doubles.redis_server import free_port

KEY = "device-key-of-the-test"
CODE = "ABCD-2345"
TOKEN = "abcdefghijkmn"


def problem(status: int, code: ProblemCode) -> tuple[int, bytes]:
    """An answer as RFC 9457 has it."""
    return status, Problem(title="Told to", status=status, code=code).model_dump_json().encode()


class CloudDouble:
    """What the double was sent, and what it answers.

    Attributes:
        events: Accepted, in the order in which they came.
        dates: The header `Date` of each post of an event.
        heartbeats: Accepted, in the order in which they came.
        fail_events: When set, the answer to every event: status and body.
        reject: Events with these labels are answered with 422.
        commands: What waits for the device; `after` acknowledges none of it here.
        logs: That the device sent on request.
        watched: Whether previews are taken.
        date: Of the `Date` header; when empty, the true one.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.dates: list[str] = []
        self.heartbeats: list[Heartbeat] = []
        self.commands: list[Command] = []
        self.polls: list[str] = []
        self.previews: list[bytes] = []
        self.watched = False
        self.logs: list[DeviceLog] = []
        self.settings = DeviceSettings(gate="main", settings=GateSettings(), revision=0)
        self.attempts = 0
        self.fail_events: tuple[int, bytes] | None = None
        self.headers: dict[str, str] = {}
        self.reject: set[Label] = set()
        self.key = KEY
        self.date = ""
        self.ready = True
        self.changed = threading.Condition()
        self.url = ""

    def wait_for(self, count: int, timeout: float = 60.0) -> list[Event]:
        """Wait until so many events have come."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.events) >= count, timeout), self.events
            return list(self.events)

    def wait_for_attempts(self, count: int, timeout: float = 60.0) -> None:
        """Wait until so many events were posted, accepted or not."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.attempts >= count, timeout), self.attempts

    def answer(self, method: str, path: str, key: str, body: bytes) -> tuple[int, bytes]:
        """Status and body."""
        with self.changed:
            try:
                return self._answer(method, path, key, body)
            finally:
                self.changed.notify_all()

    def _answer(self, method: str, path: str, key: str, body: bytes) -> tuple[int, bytes]:
        if path == "/healthz":
            return 200, b"{}"
        if path == "/readyz":
            return (200, b"{}") if self.ready else problem(503, ProblemCode.STORE_UNAVAILABLE)
        if path == "/v1/devices/enrol":
            request = EnrolmentRequest.model_validate_json(body)
            if request.code != CODE:
                return problem(403, ProblemCode.ENROLMENT_CODE_INVALID)
            enrolment = Enrolment(device_id="d1", device_key=KEY, gate="main")
            return 201, enrolment.model_dump_json().encode()
        if path == "/v1/events":
            self.attempts += 1
        if key != f"Bearer {self.key}":
            return problem(401, ProblemCode.KEY_REVOKED)
        if path.startswith("/v1/devices/me/commands?"):
            after = parse_qs(urlsplit(path).query).get("after", [""])[0]
            self.polls.append(after)
            done = [each.id for each in self.commands].index(after) + 1 if after else 0
            return 200, CommandPage(items=self.commands[done:]).model_dump_json().encode()
        if path == "/v1/devices/me/settings":
            return 200, self.settings.model_dump_json().encode()
        if path == "/v1/devices/me/roll":
            self.key = f"{self.key}+"
            until = datetime.now(UTC) + timedelta(days=1)
            return 201, RolledKey(
                device_key=self.key, old_key_expires_at=until
            ).model_dump_json().encode()
        if path == "/v1/devices/me/preview":
            if not self.watched:
                return problem(409, ProblemCode.PREVIEW_UNWANTED)
            self.previews.append(body)
            return 204, b""
        if path == "/v1/devices/me/log":
            self.logs.append(DeviceLog.model_validate_json(body))
            return 204, b""
        if path == "/v1/devices/me/heartbeat":
            self.heartbeats.append(Heartbeat.model_validate_json(body))
            return 204, b""
        if (method, path) != ("POST", "/v1/events"):
            return problem(404, ProblemCode.NOT_FOUND)
        if self.fail_events is not None:
            return self.fail_events
        event = Event.model_validate_json(body)
        if event.label in self.reject:
            return problem(422, ProblemCode.MALFORMED_REQUEST)
        self.events.append(event)
        return 201, decide(event).model_dump_json(by_alias=True).encode()


def decide(event: Event) -> Decision:
    """As the cloud would."""
    now = datetime.now(UTC)
    if event.label is Label.WITH_MASK:
        issued = IssuedPass(id=uuid4(), token=TOKEN, expires_at=now + timedelta(minutes=5))
        return Decision(
            event_id=event.id,
            gate="main",
            access=Access.GRANTED,
            decided_at=now,
            issued_pass=issued,
        )
    refusal = Refusal(reason=RefusalReason.NO_MASK, message="Please put on a mask")
    return Decision(
        event_id=event.id,
        gate="main",
        access=Access.REFUSED,
        decided_at=now,
        refusal=refusal,
    )


@contextmanager
def serving(double: CloudDouble, port: int | None = None) -> Iterator[CloudDouble]:
    """The double on a port of this machine; `double.url` says where."""

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            key = self.headers.get("Authorization", "")
            if self.path == "/v1/events":
                double.dates.append(self.headers.get("Date", ""))
            status, answer = double.answer(self.command, self.path, key, body)
            self.send_response_only(status)
            self.send_header("Date", double.date or self.date_time_string())
            for name, value in double.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = _do  # noqa: N815 - the standard library's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", port or free_port()), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    double.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def enrolled(url: str) -> str:
    """What device.json holds after enrolment at the double."""
    return json.dumps({"device_id": "d1", "device_key": KEY, "gate": "main", "cloud_url": url})
