from datetime import UTC, datetime
from pathlib import Path

from uuid_utils.compat import uuid7

from chaos import camera
from chaos.device import OUTBOX
from cloud.contract import Event, Label
from edge.delivery.outbox import Outbox

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def _event() -> Event:
    return Event(
        id=uuid7(),
        label=Label.WITH_MASK,
        confidence=1,
        votes=5,
        first_seen_at=NOW,
        occurred_at=NOW,
    )


def test_what_it_made_is_counted_also_when_it_is_delivered(tmp_path: Path) -> None:
    assert (camera.made(tmp_path), camera.left(tmp_path)) == (0, 0)
    with Outbox(tmp_path / OUTBOX) as box:
        assert (camera.made(tmp_path), camera.left(tmp_path)) == (0, 0)
        first, second, third = (_event() for _ in range(3))
        for event in (first, second, third):
            box.put(event)
        box.ack(first.id)
        box.reject(second.id, "event_conflict")
        assert (camera.made(tmp_path), camera.left(tmp_path)) == (3, 2)
        box.ack(third.id)
        box.put(_event())
    # As after a kill -9: what is on the disk is all that there is.
    assert (camera.made(tmp_path), camera.left(tmp_path)) == (4, 2)
