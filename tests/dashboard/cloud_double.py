"""A cloud's API over real HTTP, holding what a test puts in: the calls that the dashboard makes."""

import io
import json
import socket
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Self
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import segno
from pydantic import BaseModel
from uuid_utils.compat import uuid7

from cloud.contract import (
    Access,
    CameraState,
    Channel,
    Delivery,
    DeliveryStatus,
    Device,
    EventRecord,
    Gate,
    GateChange,
    Heartbeat,
    Label,
    PassRecord,
    PassStatus,
    Problem,
    ProblemCode,
    Refusal,
    RefusalReason,
)
from tests.doubles.redis_server import free_port

KEY = "mgk_a-good-key"

MESSAGES = {
    RefusalReason.NO_MASK: "Please put on a mask, over nose and mouth, and look again.",
    RefusalReason.MASK_WORN_WRONGLY: "Please cover your nose with the mask, and look again.",
}


class Mood(StrEnum):
    """How the double answers."""

    WELL = "well"
    STORE_AWAY = "store_away"
    ANOTHER_SITE = "another_site"
    NO_QR = "no_qr"
    KIOSK = "kiosk"
    BAD_GATEWAY = "bad_gateway"
    BROKEN = "broken"
    SILENT = "silent"


class CloudDouble:
    """Serves on a free port of this machine from `with` to its end."""

    def __init__(self) -> None:
        self._server: _Server | None = None
        self._port = free_port()
        self.closing = threading.Event()
        self.forget()

    def forget(self) -> None:
        """As good as new: one gate, where nothing has happened."""
        self.key = KEY
        self.mood = Mood.WELL
        self.ahead = timedelta(0)
        self.gates = [_gate("main", "Main entrance")]
        self.events: list[EventRecord] = []
        self.deliveries: list[Delivery] = []
        self.tokens: dict[UUID, str] = {}
        self.devices: list[Device] = []
        self.asked: list[str] = []
        self.reasons: list[str] = []
        self.looks_at_most = 5_000
        self.enrol()
        self._cursors = count(1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Answer; again at the same port, after a close."""
        self.closing.clear()
        handler = type("Handler", (_Handler,), {"double": self})
        self._server = _Server(("127.0.0.1", self._port), handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        if self._server is not None:
            self.closing.set()
            self._server.shutdown()
            self._server.hang_up()
            self._server.server_close()
            self._server = None

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def close_gate(self, change: GateChange, gate: str = "main") -> Gate | None:
        """Close or open a gate, as somebody does elsewhere; None where there is no such gate."""
        for place, each in enumerate(self.gates):
            if each.id == gate:
                changed = each.model_copy(update={"closed": bool(change.closed)})
                self.gates[place] = changed
                self.reasons.append(change.reason)
                return changed
        return None

    def add_gate(self, gate: str, name: str) -> None:
        self.gates.append(_gate(gate, name))

    def enrol(
        self,
        *,
        camera: CameraState = CameraState.LIVE,
        ago: timedelta = timedelta(seconds=4),
        outbox_depth: int = 0,
        finished: bool = False,
    ) -> None:
        """One device at the main gate, last heard `ago`."""
        heard_at = self.now() - ago
        beat = Heartbeat(
            sent_at=heard_at,
            camera=camera,
            fps=24.0,
            latency_ms=31.0,
            outbox_depth=outbox_depth,
            version="0.1.0",
            finished=finished,
        )
        self.devices = [
            Device(
                id="door-pi",
                name="Door Pi",
                gate="main",
                enrolled_at=datetime(2026, 1, 5, 9, 0, tzinfo=UTC),
                last_heartbeat=beat,
                last_seen_at=heard_at,
            )
        ]

    def refuse(
        self,
        *,
        label: Label = Label.WITHOUT_MASK,
        gate: str = "main",
        ago: timedelta = timedelta(0),
        late: timedelta = timedelta(seconds=0.2),
    ) -> EventRecord:
        """Somebody without a mask, `ago`; the event took `late` to arrive."""
        reason = (
            RefusalReason.NO_MASK
            if label is Label.WITHOUT_MASK
            else RefusalReason.MASK_WORN_WRONGLY
        )
        refusal = Refusal(reason=reason, message=MESSAGES[reason])
        return self._add(label, Access.REFUSED, gate, ago, late, refusal=refusal)

    def grant(
        self,
        *,
        token: str = "7Kq2mXw9PfR4t",
        gate: str = "main",
        ago: timedelta = timedelta(0),
        late: timedelta = timedelta(seconds=0.2),
        lifetime: timedelta = timedelta(minutes=5),
    ) -> EventRecord:
        """Somebody with a mask, and a pass that carries `token`."""
        issued_at = self.now() - ago
        its_pass = PassRecord(
            id=uuid4(),
            gate=gate,
            status=PassStatus.ISSUED,
            issued_at=issued_at,
            expires_at=issued_at + lifetime,
            qr_ready_at=issued_at,
        )
        self.tokens[its_pass.id] = token
        return self._add(Label.WITH_MASK, Access.GRANTED, gate, ago, late, its_pass=its_pass)

    def settle_pass(self, event: EventRecord, status: PassStatus) -> None:
        """End the event's pass, now."""
        assert event.pass_record is not None
        used = {"redeemed_at": self.now()} if status is PassStatus.REDEEMED else {}
        ended = event.pass_record.model_copy(update={"status": status, **used})
        self.events = [
            each.model_copy(update={"pass_record": ended}) if each.id == event.id else each
            for each in self.events
        ]

    def deliver(
        self,
        event: EventRecord,
        *,
        status: DeliveryStatus = DeliveryStatus.SENT,
        channel: Channel = Channel.TELEGRAM,
        address: str = "184467",
        text: str = "Your pass for Main entrance.",
        detail: str = "",
    ) -> Delivery:
        delivery = Delivery(
            id=f"d{next(self._cursors)}",
            event_id=event.id,
            gate=event.gate,
            channel=channel,
            address=address,
            text=text,
            with_qr=event.access is Access.GRANTED,
            status=status,
            detail=detail,
            created_at=event.accepted_at,
        )
        self.deliveries.insert(0, delivery)
        return delivery

    def _add(
        self,
        label: Label,
        access: Access,
        gate: str,
        ago: timedelta,
        late: timedelta,
        *,
        refusal: Refusal | None = None,
        its_pass: PassRecord | None = None,
    ) -> EventRecord:
        accepted_at = self.now() - ago
        event = EventRecord(
            id=uuid7(),
            label=label,
            confidence=0.97,
            votes=14,
            first_seen_at=accepted_at - late - timedelta(seconds=1),
            occurred_at=accepted_at - late,
            gate=gate,
            device_id="door-pi",
            access=access,
            accepted_at=accepted_at,
            refusal=refusal,
            pass_record=its_pass,
            cursor=f"{next(self._cursors):09d}",
        )
        self.events.insert(0, event)
        return event


class _Server(ThreadingHTTPServer):
    """Hangs up on its callers when it ends, as a process that stops does."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
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


class _Handler(BaseHTTPRequestHandler):
    double: CloudDouble
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits for the 40 ms of a delayed ACK

    def do_GET(self) -> None:
        double = self.double
        address = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        double.asked.append(self.path)
        if double.mood is Mood.ANOTHER_SITE:
            return self._send(200, "text/html", b"<html>Welcome to this router</html>")
        if double.mood is Mood.BAD_GATEWAY:
            return self._send(502, "text/html", b"<html>Bad gateway</html>")
        if double.mood is Mood.SILENT:
            double.closing.wait(30)
            return None
        if self.headers.get("Authorization") != f"Bearer {double.key}":
            return self._problem(401, ProblemCode.KEY_INVALID, "This key opens nothing here.")
        if double.mood is Mood.BROKEN:
            return self._problem(500, ProblemCode.INTERNAL, "Something broke on our side")
        if double.mood is Mood.STORE_AWAY:
            return self._problem(503, ProblemCode.STORE_UNAVAILABLE, "Redis does not answer.")
        match address.path.strip("/").split("/"):
            case ["v1", "gates"]:
                self._send_json([_dumped(each) for each in double.gates])
            case ["v1", "devices"] if double.mood is not Mood.KIOSK:
                self._send_json([_dumped(each) for each in double.devices])
            case ["v1", "events"]:
                self._send_page(double.events, query)
            case ["v1", "deliveries"] if double.mood is not Mood.KIOSK:
                self._send_page(double.deliveries, query)
            case ["v1", "passes", pass_id, "qr.png"]:
                self._send_qr(UUID(pass_id))
            case ["v1", "devices" | "deliveries"]:
                self._problem(403, ProblemCode.ROLE_FORBIDDEN, "a kiosk may not do this")
            case _:
                self._problem(404, ProblemCode.NOT_FOUND, f"Nothing is at {address.path}.")

    def do_PATCH(self) -> None:
        double = self.double
        body = self.rfile.read(int(self.headers["Content-Length"]))
        gate = self.path.removeprefix("/v1/gates/")
        if double.mood is Mood.KIOSK:
            return self._problem(403, ProblemCode.ROLE_FORBIDDEN, "a kiosk may not do this")
        changed = double.close_gate(GateChange.model_validate_json(body), gate)
        if changed is None:
            return self._problem(404, ProblemCode.GATE_UNKNOWN, f"there is no gate {gate}")
        return self._send_json(changed.model_dump(mode="json"))

    def _send_page(
        self, held: Sequence[EventRecord] | Sequence[Delivery], query: dict[str, str]
    ) -> None:
        """Newest first. As the cloud does, look at so many at most: a page may come out short."""
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
        if double.mood is Mood.NO_QR:
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
        """Say nothing: the test's output is the test's."""


def _dumped(item: BaseModel) -> dict[str, object]:
    """As JSON, without a warning where a test put in what only a newer cloud knows."""
    return item.model_dump(mode="json", warnings=False)


def _gate(gate: str, name: str) -> Gate:
    return Gate(id=gate, name=name, created_at=datetime(2026, 1, 5, 8, 0, tzinfo=UTC))
