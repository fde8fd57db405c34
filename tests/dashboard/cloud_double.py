"""A double of the cloud over real HTTP: it holds the gates and events that a test puts in."""

import threading
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Self
from uuid import UUID, uuid4

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
    Refusal,
    RefusalReason,
)
from tests.dashboard.cloud_server import Behaviour, CloudServer
from tests.doubles.redis_server import free_port

KEY = "mgk_a-good-key"

MESSAGES = {
    RefusalReason.NO_MASK: "Please put on a mask, over nose and mouth, and look again.",
    RefusalReason.MASK_WORN_WRONGLY: "Please cover your nose with the mask, and look again.",
}


class CloudDouble:
    """A context manager that serves the API on a free port of this machine."""

    def __init__(self) -> None:
        self._server: CloudServer | None = None
        self._port = free_port()
        self.closing = threading.Event()
        self.forget()

    def forget(self) -> None:
        """Hold one gate, where nothing has happened, as a new double does."""
        self.key = KEY
        self.behaviour = Behaviour.WELL
        self.ahead = timedelta(0)
        self.gates = [_gate("main", "Main entrance")]
        self.events: list[EventRecord] = []
        self.deliveries: list[Delivery] = []
        self.tokens: dict[UUID, str] = {}
        self.devices: list[Device] = []
        self.asked: list[str] = []
        self.reasons: list[str] = []
        self.looks_at_most = 5_000
        self.screens: list[str] = []
        self.screen_keys: dict[str, str] = {}
        self.link_code: str | None = None
        self.camera = "live"
        self.visitor_url: str | None = None
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
        """Answer on the double's port, also after a close."""
        self.closing.clear()
        self._server = CloudServer(self._port, self)
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
        """Close or open a gate, as another client does; None where there is no such gate."""
        for place, each in enumerate(self.gates):
            if each.id == gate:
                changed = each.model_copy(
                    update={
                        "closed": bool(change.closed),
                        "closed_at": self.now(),
                        "closed_reason": change.reason,
                    }
                )
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
        **reported: Any,
    ) -> None:
        """Enrol one device at the main gate, which last reported `ago`."""
        heard_at = self.now() - ago
        beat = Heartbeat(
            sent_at=heard_at,
            camera=camera,
            fps=24.0,
            latency_ms=31.0,
            outbox_depth=outbox_depth,
            version="0.1.0",
            finished=finished,
            **reported,
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
        """Refuse somebody without a mask, `ago`; the event took `late` to arrive."""
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
        """Grant somebody with a mask a pass that carries `token`."""
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

    def end_pass(self, event: EventRecord, status: PassStatus) -> None:
        """Give the event's pass its last status, now."""
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


def _gate(gate: str, name: str) -> Gate:
    return Gate(id=gate, name=name, created_at=datetime(2026, 1, 5, 8, 0, tzinfo=UTC))
