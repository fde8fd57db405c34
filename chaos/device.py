"""python -m chaos.device: a camera without a camera.

What it sees is ordered beforehand; from there on it is the edge's own: outbox, courier, client.
What it has seen it writes into a journal before the outbox, as a camera's pictures are there
before anything is made of them, so that a kill -9 at any moment loses neither.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Annotated
from uuid import UUID

import typer
import uuid_utils

from chaos.plan import Order
from cloud.contract import CameraState, Decision, Event, Heartbeat, Label
from edge import __version__, identity
from edge.delivery.client import Client
from edge.delivery.courier import Courier
from edge.delivery.outbox import Outbox
from edge.errors import CloudError, EventRejectedError
from edge.values import ConnectionState

ORDERS = "orders.json"
JOURNAL = "journal.jsonl"
COPIES = "copies.jsonl"
OUTBOX = "outbox.db"
IDENTITY = "device.json"

PAUSE_S = (0.2, 4.0)
"""The courier's shortest and longest pause between attempts. At a real door the longest is a
minute, which would only lengthen the run."""


class Silent:
    """Observes the deliveries and shows nothing."""

    def event_acknowledged(self, decision: Decision) -> None:
        """Show nothing."""

    def event_rejected(self, error: EventRejectedError) -> None:
        """Show nothing: the event is counted in the outbox."""

    def connection_changed(self, state: ConnectionState, problem: str) -> None:
        """Show nothing."""

    def failed(self, error: Exception) -> None:
        """Show nothing: the courier logs the error."""


def write_orders(folder: Path, orders: tuple[Order, ...]) -> None:
    """Write the events that a device will see."""
    folder.joinpath(ORDERS).write_text(json.dumps([asdict(each) for each in orders]))


def read_orders(folder: Path) -> list[Order]:
    """Return what `write_orders` wrote."""
    held = json.loads(folder.joinpath(ORDERS).read_text())
    return [Order(**{**each, "label": Label(each["label"])}) for each in held]


def journal(folder: Path) -> list[Event]:
    """Return what a device has seen so far."""
    path = folder / JOURNAL
    if not path.exists():
        return []
    return [Event.model_validate_json(line) for line in path.read_bytes().splitlines()]


def _append(path: Path, line: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, line.encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)


def _clock(orders: Sequence[Order]) -> Callable[[], datetime]:
    """Return the clock of a device, which is wrong by the same offset in all of its orders."""
    off = timedelta(seconds=orders[0].clock_off_s if orders else 0)
    return lambda: datetime.now(UTC) + off


def _seen(order: Order) -> Event:
    clock = _clock([order])()
    nanoseconds = int(clock.timestamp() * 1e9)
    return Event(
        id=UUID(int=uuid_utils.uuid7(nanoseconds=nanoseconds).int),
        label=order.label,
        confidence=0.97,
        votes=9,
        first_seen_at=clock - timedelta(seconds=0.5),
        occurred_at=clock,
    )


def _send_at_once(
    folder: Path,
    me: identity.Identity,
    event: Event,
    copies: int,
    clock: Callable[[], datetime],
) -> None:
    """Send one event from many callers at once, and note the passes of the answers."""
    body = event.model_dump_json()
    line_up = threading.Barrier(copies)

    def send(client: Client) -> str | None:
        line_up.wait(timeout=30)
        try:
            decision = client.post_event(event.id, body)
        except CloudError:
            return None
        return "" if decision.issued_pass is None else str(decision.issued_pass.id)

    with ExitStack() as stack:
        clients = [
            stack.enter_context(Client(me.cloud_url, key=me.device_key, clock=clock))
            for _ in range(copies)
        ]
        with ThreadPoolExecutor(copies) as callers:
            answers = [each for each in callers.map(send, clients) if each is not None]
    noted = {"event": str(event.id), "answers": len(answers), "passes": sorted(set(answers))}
    _append(folder / COPIES, json.dumps(noted))


def _still_to_see(folder: Path, outbox: Outbox) -> list[Order]:
    """Continue after a kill; the last event that was seen may not have reached the outbox."""
    seen = journal(folder)
    if seen:
        outbox.put(seen[-1])
    return read_orders(folder)[len(seen) :]


def main(
    folder: Annotated[Path, typer.Argument(help="Orders, journal, outbox and key of this device")],
) -> None:
    """See the ordered events one after the other, and deliver them until SIGTERM."""
    stop = threading.Event()

    def told_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, told_to_stop)
    me = identity.load(folder / IDENTITY)

    clock = _clock(read_orders(folder))
    with (
        Outbox(folder / OUTBOX) as outbox,
        Client(me.cloud_url, key=me.device_key, clock=clock) as client,
    ):

        def make_heartbeat() -> Heartbeat:
            return Heartbeat(
                sent_at=datetime.now(UTC),
                camera=CameraState.LIVE,
                fps=10,
                latency_ms=20,
                outbox_depth=outbox.depth(),
                version=__version__,
            )

        courier = Courier(outbox, client, Silent(), make_heartbeat, pause_s=PAUSE_S)
        left = _still_to_see(folder, outbox)
        courier.start()
        due = time.monotonic()
        for order in left:
            due = max(due + order.wait_s, time.monotonic())
            if stop.wait(max(due - time.monotonic(), 0.0)):
                break
            event = _seen(order)
            _append(folder / JOURNAL, event.model_dump_json())
            outbox.put(event)
            courier.wake()
            if order.copies:
                _send_at_once(folder, me, event, order.copies, clock)
        stop.wait()
        courier.stop()


if __name__ == "__main__":
    typer.run(main)
