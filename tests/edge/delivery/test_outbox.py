import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from cloud.contract import Event, Label
from edge.delivery import outbox
from edge.delivery.outbox import Outbox
from edge.errors import OutboxBusyError, OutboxDamagedError, OutboxFullError

ROOT = Path(__file__).parents[3]


def event(label: Label = Label.WITH_MASK) -> Event:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)
    return Event(
        id=uuid7(), label=label, confidence=0.8, votes=5, first_seen_at=moment, occurred_at=moment
    )


def fill(box: Outbox, kept: list[UUID]) -> None:
    for _ in range(1000):
        each = event()
        box.put(each)
        kept.append(each.id)


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
        contents = outbox.inspect(path)
    assert contents.depth == 1
    (kept,) = contents.rejected
    assert (kept.id, kept.reason) == (first.id, "event_conflict")
    assert Event.model_validate_json(kept.body) == first
    assert kept.rejected_at.tzinfo is not None


def test_a_full_disk_is_named_and_loses_nothing(path: Path) -> None:
    with Outbox(path, max_pages=12) as box:
        kept: list[UUID] = []
        with pytest.raises(OutboxFullError, match="disk is full"):
            fill(box, kept)
        assert kept
        assert box.depth() == len(kept)
        for each_id in kept:
            box.ack(each_id)
        box.put(event())
        assert box.depth() == 1


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
        assert outbox.inspect(path).depth == 1
        box.put(event())
        assert outbox.inspect(path).depth == 2


def test_looking_for_an_outbox_makes_none(path: Path) -> None:
    with pytest.raises(OutboxDamagedError):
        outbox.inspect(path)
    assert not path.exists()


def test_a_damaged_outbox_is_named_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"these are not the bytes of a database" * 50)
    with pytest.raises(OutboxDamagedError, match=r"outbox\.db"):
        Outbox(path)
    assert path.read_bytes().startswith(b"these are not")


def test_an_outbox_of_another_edition_is_refused(path: Path) -> None:
    Outbox(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(OutboxDamagedError, match="edition 99"):
        Outbox(path)


def test_a_refused_outbox_is_not_held_open(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"these are not the bytes of a database" * 50)
    with pytest.raises(OutboxDamagedError) as refused:
        Outbox(path)
    held = {file.readlink() for file in Path("/proc/self/fd").iterdir() if file.exists()}
    assert path not in held
    assert refused.value.__traceback__ is not None  # the half-made outbox is still alive here


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutboxDamagedError, match="cannot be written"):
        Outbox(tmp_path / "file" / "outbox.db")


def test_every_commit_waits_for_the_disk(path: Path) -> None:
    with Outbox(path) as box:
        assert box._db.execute("PRAGMA synchronous").fetchone() == (2,)
        assert box._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
