"""The HTTP server of the cloud double: the calls of the API that the dashboard makes."""

import io
import json
import socket
import threading
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import segno
from pydantic import BaseModel

from cloud.contract import (
    Delivery,
    EventRecord,
    GateCamera,
    GateChange,
    NewScreen,
    PassStatus,
    PendingScreen,
    Problem,
    ProblemCode,
    ScreenState,
)

if TYPE_CHECKING:
    from tests.dashboard.cloud_double import CloudDouble


class Behaviour(StrEnum):
    """How the double answers."""

    WELL = "well"
    STORE_AWAY = "store_away"
    ANOTHER_SITE = "another_site"
    NO_QR = "no_qr"
    KIOSK = "kiosk"
    BAD_GATEWAY = "bad_gateway"
    BROKEN = "broken"
    SILENT = "silent"


class CloudServer(ThreadingHTTPServer):
    """Serves one double, and breaks its connections when it ends, as a process that stops does."""

    daemon_threads = True

    def __init__(self, port: int, double: "CloudDouble") -> None:
        super().__init__(("127.0.0.1", port), type("Handler", (ApiHandler,), {"double": double}))
        self._calls: set[object] = set()
        self._lock = threading.Lock()

    def get_request(self) -> tuple[socket.socket, object]:
        call, address = super().get_request()
        with self._lock:
            self._calls.add(call)
        return call, address

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        with self._lock:
            self._calls.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        with self._lock:
            for call in self._calls:
                if isinstance(call, socket.socket):
                    call.shutdown(socket.SHUT_RDWR)


class ApiHandler(BaseHTTPRequestHandler):
    """Answers the calls that the dashboard makes."""

    double: "CloudDouble"
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits for the 40 ms of a delayed ACK

    def do_GET(self) -> None:
        double = self.double
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        double.asked.append(self.path)
        if double.behaviour is Behaviour.ANOTHER_SITE:
            return self._send(200, "text/html", b"<html>Welcome to this router</html>")
        if double.behaviour is Behaviour.BAD_GATEWAY:
            return self._send(502, "text/html", b"<html>Bad gateway</html>")
        if double.behaviour is Behaviour.SILENT:
            double.closing.wait(30)
            return None
        if address.path == "/v1/keys/me":
            return self._send_own_key(self.headers.get("Authorization", "").removeprefix("Bearer "))
        if self.headers.get("Authorization") != f"Bearer {double.key}":
            return self._problem(401, ProblemCode.KEY_INVALID, "This key opens nothing here.")
        if double.behaviour is Behaviour.BROKEN:
            return self._problem(500, ProblemCode.INTERNAL, "Something broke on our side")
        if double.behaviour is Behaviour.STORE_AWAY:
            return self._problem(503, ProblemCode.STORE_UNAVAILABLE, "Redis does not answer.")
        match address.path.strip("/").split("/"):
            case ["v1", "gates"]:
                self._send_json([_dumped(each) for each in double.gates])
            case ["v1", "devices"] if double.behaviour is not Behaviour.KIOSK:
                self._send_json([_dumped(each) for each in double.devices])
            case ["v1", "gates", gate, "screen", "stream"]:
                self._stream_screen(gate)
            case ["v1", "events"]:
                self._send_page(double.events, query)
            case ["v1", "deliveries"] if double.behaviour is not Behaviour.KIOSK:
                self._send_page(double.deliveries, query)
            case ["v1", "passes", pass_id, "qr.png"]:
                self._send_qr(UUID(pass_id))
            case ["v1", "devices" | "deliveries"]:
                self._problem(403, ProblemCode.ROLE_FORBIDDEN, "a kiosk may not do this")
            case _:
                self._problem(404, ProblemCode.NOT_FOUND, f"Nothing is at {address.path}.")

    def do_POST(self) -> None:
        double = self.double
        new = NewScreen.model_validate_json(self.rfile.read(int(self.headers["Content-Length"])))
        if new.link_code is not None and new.link_code != double.link_code:
            return self._problem(403, ProblemCode.SCREEN_CODE_INVALID, "this link was used")
        key = f"mg_{len(double.screen_keys):012x}_{'x' * 43}"
        screen = key.split("_")[1]
        double.screen_keys[key] = new.gate
        if new.link_code is not None:
            double.link_code = None
            double.screens.append(screen)
        pending = PendingScreen(
            id=screen,
            gate=new.gate,
            key=key,
            paired=new.link_code is not None,
            code=None if new.link_code is not None else "K7PM-2XQD",
        )
        return self._send(201, "application/json", pending.model_dump_json().encode())

    def do_PATCH(self) -> None:
        double = self.double
        body = self.rfile.read(int(self.headers["Content-Length"]))
        gate = self.path.removeprefix("/v1/gates/")
        if double.behaviour is Behaviour.KIOSK:
            return self._problem(403, ProblemCode.ROLE_FORBIDDEN, "a kiosk may not do this")
        changed = double.close_gate(GateChange.model_validate_json(body), gate)
        if changed is None:
            return self._problem(404, ProblemCode.GATE_UNKNOWN, f"there is no gate {gate}")
        return self._send_json(changed.model_dump(mode="json"))

    def _send_own_key(self, key: str) -> None:
        gate = self.double.screen_keys.get(key)
        if gate is None:
            return self._problem(401, ProblemCode.KEY_INVALID, "This key opens nothing here.")
        own = {
            "kind": "key",
            "id": key.split("_")[1],
            "name": "Tablet",
            "role": "kiosk",
            "gate": gate,
            "operations": [],
        }
        return self._send_json(own)

    def _stream_screen(self, gate_id: str) -> None:
        """Send the state of a gate's screens at each change, and a tick ten times a second."""
        double = self.double
        gate = next((each for each in double.gates if each.id == gate_id), None)
        if gate is None:
            return self._problem(404, ProblemCode.GATE_UNKNOWN, f"there is no gate {gate_id}")
        self.send_response_only(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        last = None
        while not double.closing.wait(0.1) and double.behaviour is not Behaviour.STORE_AWAY:
            if double.behaviour is Behaviour.SILENT:
                continue
            gate = next(each for each in double.gates if each.id == gate_id)
            state = ScreenState(
                now=double.now(),
                gate=gate,
                event=next((each for each in double.events if each.gate == gate_id), None),
                camera=GateCamera(double.camera),
                visitor_url=double.visitor_url,
                screens=list(double.screens),
            )
            facts = state.model_dump_json(exclude={"now"})
            kind = "tick" if facts == last else "state"
            last = facts
            try:
                self.wfile.write(f"event: {kind}\ndata: {state.model_dump_json()}\n\n".encode())
                self.wfile.flush()
            except OSError:
                return None
        return None

    def _send_page(
        self, held: Sequence[EventRecord] | Sequence[Delivery], query: dict[str, str]
    ) -> None:
        """Send a page, newest first; like the cloud, look at a limited number of entries for it."""
        wanted = {
            name: query[name] for name in ("gate", "access", "label", "status") if name in query
        }
        start, limit = int(query.get("before", "0-0").split("-")[0]), int(query["limit"])
        since, until = (
            datetime.fromisoformat(query[name]) if name in query else None
            for name in ("since", "until")
        )
        found: list[BaseModel] = []
        end = start
        for item in held[start : start + self.double.looks_at_most]:
            if len(found) == limit:
                break
            end += 1
            if isinstance(item, EventRecord) and (
                (since and item.accepted_at < since) or (until and item.accepted_at >= until)
            ):
                continue
            if all(getattr(item, name) == value for name, value in wanted.items()):
                found.append(item)
        self._send_json(
            {
                "items": [_dumped(item) for item in found],
                "next": f"{end}-0" if end < len(held) else None,
            }
        )

    def _send_qr(self, pass_id: UUID) -> None:
        double = self.double
        if double.behaviour is Behaviour.NO_QR:
            return self._problem(403, ProblemCode.ROLE_FORBIDDEN, "A viewer may not see codes.")
        live = {
            event.pass_record.id
            for event in double.events
            if event.pass_record is not None and event.pass_record.status is PassStatus.ISSUED
        }
        if pass_id not in live:
            return self._problem(410, ProblemCode.PASS_OVER, "This pass is over.")
        image = io.BytesIO()
        segno.make_qr(double.tokens[pass_id]).save(image, kind="png", scale=8)
        return self._send(200, "image/png", image.getvalue())

    def _send_json(self, body: object) -> None:
        self._send(200, "application/json", json.dumps(body).encode())

    def _problem(self, status: int, code: ProblemCode, detail: str) -> None:
        problem = Problem(title=code.replace("_", " "), status=status, detail=detail, code=code)
        self._send(status, "application/problem+json", problem.model_dump_json().encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Date", format_datetime(self.double.now(), usegmt=True))
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write nothing into the output of the test."""


def _dumped(item: BaseModel) -> dict[str, object]:
    """Return an item as JSON, even with a value that only a newer cloud knows."""
    return item.model_dump(mode="json", warnings=False)
