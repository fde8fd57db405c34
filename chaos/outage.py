"""python -m chaos.outage: events that waited while the cloud was away, and how they are delivered.

A real edge finds the events in its outbox and a cloud that has just come back. The double of the
cloud answers each event. Printed are the time until the last event is delivered, what was lost,
what came out of order, and the largest memory of the edge.
"""

import json
import random
import signal
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer
import uuid_utils.compat

from chaos import camera
from chaos.device import IDENTITY, OUTBOX
from chaos.edge import CloudDouble, Life, serving, write_pictures
from cloud.contract import Event, Label
from edge.delivery.outbox import Outbox

_LONGEST_S = 900.0


@dataclass(frozen=True, slots=True)
class OutageReport:
    """What became of the events that waited.

    Attributes:
        waiting: Events in the outbox when the cloud was back.
        delivered_in_s: Seconds from the first event that the cloud took to the last.
        lost: Events that did not arrive.
        out_of_order: Events that arrived before one that was stored earlier.
        peak_mib: Largest resident memory of the edge, in MiB (`VmHWM` of Linux).
    """

    waiting: int
    delivered_in_s: float
    lost: int
    out_of_order: int
    peak_mib: float


def deliver(folder: Path, waiting: int) -> OutageReport:
    """Put events into an outbox, let an edge deliver them, and count.

    Args:
        folder: Empty; the state of the edge.
        waiting: How many events wait.

    Returns:
        What became of them.
    """
    box = Outbox(folder / OUTBOX)
    stored = []
    for number in range(waiting):
        at = datetime.now(UTC) - timedelta(seconds=waiting - number)
        event = Event(
            id=uuid_utils.compat.uuid7(),
            label=Label.WITHOUT_MASK,
            confidence=0.9,
            votes=5,
            first_seen_at=at,
            occurred_at=at,
        )
        box.put(event)
        stored.append(str(event.id))
    box.close()
    with serving(CloudDouble(random.Random(1), is_kind=True)) as double:  # noqa: S311
        written = {"device_id": "d1", "device_key": "k", "gate": "main", "cloud_url": double.url}
        folder.joinpath(IDENTITY).write_text(json.dumps(written))
        write_pictures(folder / "pictures")
        edge = Life(folder, **camera.BLIND)
        edge.wait_until_watching()
        give_up = time.monotonic() + _LONGEST_S
        while not double.ids and time.monotonic() < give_up:
            time.sleep(0.01)
        begun = time.monotonic()
        while len(double.ids) < waiting and time.monotonic() < give_up:
            time.sleep(0.05)
        took_s = time.monotonic() - begun
        peak_mib = _peak_mib(edge.process.pid)
        edge.end(signal.SIGTERM)
        arrived = list(double.ids)
    return OutageReport(
        waiting,
        round(took_s, 1),
        len(set(stored) - set(arrived)),
        sum(a > b for a, b in pairwise(arrived)),
        peak_mib,
    )


def _peak_mib(pid: int | None) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


def main(
    events: Annotated[int, typer.Option(min=1, help="How many events wait")] = 5000,
) -> None:
    """Deliver the events of an outage, and say how long it took and what was lost."""
    with tempfile.TemporaryDirectory() as folder:
        report = deliver(Path(folder), events)
    typer.echo(json.dumps(asdict(report)))
    if report.lost or report.out_of_order:
        sys.exit(1)


if __name__ == "__main__":
    typer.run(main)
