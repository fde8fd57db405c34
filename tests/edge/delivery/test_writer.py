from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from cloud.contract import Event
from edge.delivery.outbox import Outbox
from edge.delivery.writer import OutboxWriter
from tests.edge.delivery.test_outbox import event as make_event


def test_events_are_stored_in_order_and_told_of_only_then(tmp_path: Path) -> None:
    events = [make_event() for _ in range(20)]
    told: list[tuple[UUID, int]] = []

    def note(event: Event) -> None:
        told.append((event.id, outbox.depth()))

    with Outbox(tmp_path / "outbox.db") as outbox:
        with OutboxWriter(outbox) as writer:
            for event in events:
                writer.put(event, partial(note, event))
        assert told == [(event.id, n + 1) for n, event in enumerate(events)]
        first = outbox.peek()
    assert first is not None
    assert first.id == events[0].id


def test_a_failure_after_the_write_is_raised_and_ends_no_thread(tmp_path: Path) -> None:
    def fail() -> None:
        raise RuntimeError("a signal is broken")

    with Outbox(tmp_path / "outbox.db") as outbox, OutboxWriter(outbox) as writer:
        writer.put(make_event(), fail)
        with pytest.raises(RuntimeError, match="a signal is broken"):
            writer.flush()
        writer.put(make_event(), lambda: None)
        writer.flush()
        assert outbox.depth() == 2
