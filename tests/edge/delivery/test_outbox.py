import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
import uuid_utils
from structlog.testing import capture_logs
from uuid_utils.compat import uuid7

from cloud.contract import Event, Label
from edge.delivery import database, outbox
from edge.delivery.outbox import Outbox, OutboxLimits
from edge.errors import (
    EventDroppedError,
    EventUnreadableError,
    OutboxBusyError,
    OutboxError,
    OutboxFullError,
    OutboxUnwritableError,
)

ROOT = Path(__file__).parents[3]


def event(label: Label = Label.WITH_MASK) -> Event:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)
    return Event(
        id=uuid7(), label=label, confidence=0.8, votes=5, first_seen_at=moment, occurred_at=moment
    )


def emptied(box: Outbox) -> list[UUID]:
    """Acknowledge everything, and return the ids in their order."""
    left = []
    while (waiting := box.peek()) is not None:
        left.append(waiting.id)
        box.ack(waiting.id)
    assert box.depth() == 0
    return left


def uuid7_at(moment: datetime | None) -> UUID:
    """An id as it was made at a moment; None for now."""
    if moment is None:
        return uuid7()
    return UUID(int=uuid_utils.uuid7(nanoseconds=int(moment.timestamp() * 1e9)).int)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.db"


def test_events_leave_in_the_order_in_which_they_came(path: Path) -> None:
    events = [event() for _ in range(5)]
    with Outbox(path) as box:
        for each in reversed(events):
            box.put(each)
        left = []
        while (waiting := box.peek()) is not None:
            left.append(waiting.id)
            box.ack(waiting.id)
        assert left == [each.id for each in reversed(events)]
        assert box.depth() == 0


def test_peeking_takes_nothing_away(path: Path) -> None:
    with Outbox(path) as box:
        box.put(event())
        assert box.peek() == box.peek()
        assert box.depth() == 1


def test_an_event_comes_back_as_it_was(path: Path) -> None:
    put = event(Label.INCORRECT_MASK)
    with Outbox(path) as box:
        box.put(put)
    with Outbox(path) as box:
        waiting = box.peek()
    assert waiting is not None
    assert Event.model_validate_json(waiting.body) == put


def test_the_same_event_again_is_kept_once(path: Path) -> None:
    put = event()
    with Outbox(path) as box:
        box.put(put)
        box.put(put)
        assert box.depth() == 1


def test_a_rejected_event_makes_way_and_is_kept(path: Path) -> None:
    first, second = event(), event()
    with Outbox(path) as box:
        box.put(first)
        box.put(second)
        box.reject(first.id, "event_conflict")
        waiting = box.peek()
        assert waiting is not None
        assert waiting.id == second.id
        contents = database.inspect(path)
    assert contents.depth == 1
    (kept,) = contents.rejected
    assert (kept.id, kept.reason) == (str(first.id), "event_conflict")
    assert Event.model_validate_json(kept.body) == first
    assert kept.rejected_at.tzinfo is not None


def test_events_wait_in_memory_while_the_disk_is_full(path: Path) -> None:
    told: list[OutboxError] = []
    with Outbox(path, max_pages=12, on_error=told.append) as box:
        events = [event() for _ in range(200)]
        stored = [box.put(each) for each in events]
        assert stored[0]
        assert not stored[-1]
        assert box.problems == ["disk_full"]
        assert [type(each) for each in told] == [OutboxFullError]
        assert box.depth() == len(events)
        assert emptied(box) == [each.id for each in events]
        assert box.put(event())
        assert box.depth() == 1


def test_events_in_memory_go_to_the_disk_as_soon_as_it_has_space(path: Path) -> None:
    now = 0.0
    with Outbox(path, max_pages=12, clock=lambda: now) as box:
        events = [event() for _ in range(100)]
        for each in events:
            box.put(each)
        assert box.in_memory
        on_disk = len(events) - box.in_memory
        for each in events[:on_disk]:
            box.ack(each.id)
        now = 11.0
        box.maintain()
        assert not box.in_memory
        assert box.problems == []
        assert database.inspect(path).depth == len(events) - on_disk


def test_memory_is_bounded_and_what_it_drops_is_counted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_IN_MEMORY", 5)
    told: list[OutboxError] = []
    path.parent.touch()  # a file where the folder should be
    with Outbox(path, on_error=told.append) as box:
        events = [event() for _ in range(7)]
        for each in events:
            assert not box.put(each)
        assert emptied(box) == [each.id for each in events[2:]]
    assert [type(each) for each in told] == [
        OutboxUnwritableError,
        EventDroppedError,
        EventDroppedError,
    ]


def test_what_cannot_be_stored_at_the_end_is_counted_and_said(path: Path) -> None:
    path.parent.touch()
    with capture_logs() as lines, Outbox(path) as box:
        box.put(event())
        box.put(event())
    assert {"event": "outbox_events_lost", "count": 2, "log_level": "error"} in lines


def test_the_oldest_make_way_at_the_largest_size_and_are_counted(path: Path) -> None:
    told: list[OutboxError] = []
    limits = OutboxLimits(size_bytes=100_000)
    with Outbox(path, limits=limits, on_error=told.append) as box:
        events = [event() for _ in range(400)]
        for each in events:
            assert box.put(each)
        left = emptied(box)
    assert 100 < len(left) < 400
    assert left == [each.id for each in events[-len(left) :]]
    assert len(told) == 400 - len(left)
    assert {type(each) for each in told} == {EventDroppedError}
    assert path.stat().st_size < 120_000


def test_rejected_events_make_way_before_those_that_wait(path: Path) -> None:
    with Outbox(path, limits=OutboxLimits(size_bytes=100_000)) as box:
        first = event()
        box.put(first)
        for _ in range(100):
            each = event()
            box.put(each)
            box.reject(each.id, "event_conflict")
        while database.inspect(path).rejected:
            box.put(event())
        waiting = box.peek()
        assert waiting is not None
        assert waiting.id == first.id


def test_events_that_are_too_old_are_dropped_but_not_those_of_an_unset_clock(path: Path) -> None:
    now = 0.0
    told: list[OutboxError] = []
    limits = OutboxLimits(age_s=86_400)
    old, unset, new = (
        event().model_copy(update={"id": uuid7_at(at)})
        for at in (datetime(2026, 1, 2, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), None)
    )
    with Outbox(path, limits=limits, on_error=told.append, clock=lambda: now) as box:
        for each in (old, unset, new):
            box.put(each)
        box.maintain()
        assert box.depth() == 3  # a device that was off for long delivers first
        now = 3601.0
        box.maintain()
        assert emptied(box) == [unset.id, new.id]
    assert [type(each) for each in told] == [EventDroppedError]


@pytest.mark.parametrize("body", ["no JSON", "{}", '{"id": "x"}', "\x00"])
def test_what_is_no_event_is_moved_aside_and_the_next_is_delivered(path: Path, body: str) -> None:
    good = event()
    Outbox(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("INSERT INTO waiting (id, body) VALUES ('not a UUID', ?)", (body,))
    told: list[OutboxError] = []
    with Outbox(path, on_error=told.append) as box:
        box.put(good)
        assert emptied(box) == [good.id]
        (kept,) = database.inspect(path).rejected
    assert (kept.id, kept.body) == ("not a UUID", body)
    assert kept.reason.startswith("no event: ")
    assert [type(each) for each in told] == [EventUnreadableError]


def test_an_event_under_a_foreign_id_is_moved_aside(path: Path) -> None:
    Outbox(path).close()
    with closing(sqlite3.connect(path)) as db, db:
        row = (str(uuid7()), event().model_dump_json())
        db.execute("INSERT INTO waiting (id, body) VALUES (?, ?)", row)
    with Outbox(path) as box:
        assert box.peek() is None
        (kept,) = database.inspect(path).rejected
    assert "the event says that its id is" in kept.reason


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.edge.delivery.test_outbox import event
from edge.delivery.outbox import Outbox
box = Outbox(Path({path!r}))
while True:
    each = event()
    box.put(each)
    print(each.id, flush=True)
"""


def test_what_was_put_survives_a_kill(path: Path) -> None:
    code = WRITER.format(root=str(ROOT), path=str(path))
    writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    said = [writer.stdout.readline().strip() for _ in range(20)]
    os.kill(writer.pid, signal.SIGKILL)
    rest, _ = writer.communicate()
    # The last line may have been cut by the kill; what was said whole had been put.
    said += [line for line in rest.splitlines() if len(line) == 36]
    with Outbox(path) as box:
        kept = []
        while (waiting := box.peek()) is not None:
            kept.append(str(waiting.id))
            box.ack(waiting.id)
    assert kept[: len(said)] == said
    assert len(kept) <= len(said) + 1


def test_a_second_writer_is_refused_until_the_first_is_done(path: Path) -> None:
    with Outbox(path), pytest.raises(OutboxBusyError, match=r"outbox\.db"):
        Outbox(path)
    Outbox(path).close()


def test_a_reader_may_look_while_another_writes(path: Path) -> None:
    with Outbox(path) as box:
        box.put(event())
        assert database.inspect(path).depth == 1
        box.put(event())
        assert database.inspect(path).depth == 2
