"""What becomes of the outbox where its file is damaged, or its disk is full or read-only."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from edge.delivery import database, salvage
from edge.delivery.outbox import Outbox
from edge.delivery.space_reserve import SpaceReserve
from edge.errors import OutboxDamagedError, OutboxError, OutboxFullError, OutboxUnwritableError
from tests.edge.delivery.small_disk import fill, remount
from tests.edge.delivery.test_outbox import emptied, event

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "outbox.db"


def filled(path: Path, count: int = 200) -> list[UUID]:
    """An outbox with events; return their ids."""
    events = [event() for _ in range(count)]
    with Outbox(path) as box:
        for each in events:
            box.put(each)
    return [each.id for each in events]


def garbage_header(path: Path) -> None:
    path.write_bytes(os.urandom(PAGE) + path.read_bytes()[PAGE:])


def garbage_everywhere(path: Path) -> None:
    path.write_bytes(b"these are not the bytes of a database" * 50)


def half_a_file(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 + 100)


def cut_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


def flipped_page(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-PAGE:] = bytes(each ^ 0xFF for each in raw[-PAGE:])
    path.write_bytes(raw)


def without_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE waiting")


DAMAGES = [
    (garbage_header, 200),
    (garbage_everywhere, 0),
    (half_a_file, 50),
    (cut_to_nothing, 0),
    (flipped_page, 150),
    (without_tables, 0),
]
"""Each with the number of the 200 events that can be saved at least."""


@pytest.mark.parametrize(
    ("damage", "readable"), DAMAGES, ids=lambda each: getattr(each, "__name__", each)
)
def test_a_damaged_outbox_is_set_aside_and_what_is_readable_is_saved(
    path: Path, damage: Callable[[Path], None], readable: int
) -> None:
    ids = filled(path)
    damage(path)
    damaged = path.read_bytes()
    told: list[OutboxError] = []
    with capture_logs() as lines, Outbox(path, on_error=told.append) as box:
        assert box.problems == ["outbox_damaged"]
        (aside,) = salvage.damaged_files(path)
        assert aside.read_bytes() == damaged
        (line,) = (line for line in lines if line["event"] == "outbox_set_aside")
        assert line["file"] == str(aside)
        new = event()
        assert box.put(new)
        left = emptied(box)
    assert [type(each) for each in told] == [OutboxDamagedError]
    assert left[-1] == new.id
    assert left[:-1] == [each for each in ids if each in left]
    assert len(left) - 1 == line["saved"] >= readable
    with Outbox(path, on_error=told.append) as box:
        assert len(told) == 1


@pytest.mark.parametrize(
    "damage", [garbage_header, garbage_everywhere, flipped_page, without_tables]
)
def test_damage_that_is_found_while_the_outbox_is_in_use_ends_nothing(
    path: Path, damage: Callable[[Path], None]
) -> None:
    told: list[OutboxError] = []
    events = [event() for _ in range(40)]
    with Outbox(path, on_error=told.append) as box:
        for each in events:
            box.put(each)
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        damage(path)
        more = [event() for _ in range(40)]
        for each in more:
            assert box.put(each)
        left = emptied(box)
    in_order = [each.id for each in (*events, *more)]
    assert left == [each for each in in_order if each in left]
    assert more[-1].id in left
    assert OutboxDamagedError in {type(each) for each in told}
    assert database.inspect(path).depth == 0


def test_an_outbox_that_vanished_is_noticed(path: Path) -> None:
    filled(path, 1)
    path.unlink()
    told: list[OutboxError] = []
    with Outbox(path, on_error=told.append) as box:
        assert box.put(event())
    assert [type(each) for each in told] == [OutboxDamagedError]
    assert "there was one before" in str(told[0])


def test_a_kill_while_a_file_is_set_aside_loses_nothing(path: Path) -> None:
    ids = filled(path, 20)
    garbage_header(path)
    salvage.set_aside(path)
    # The state between the two renames of `set_aside`.
    path.rename(path.with_name("outbox.db.new"))
    with Outbox(path) as box:
        assert emptied(box) == ids


def test_damaged_files_are_bounded(path: Path) -> None:
    filled(path, 1)
    for day in range(1, 6):
        path.with_name(f"outbox.db.damaged-2026010{day}T000000Z").write_bytes(b"")
    garbage_header(path)
    Outbox(path).close()
    assert len(salvage.damaged_files(path)) == salvage.KEPT_FILES


def test_the_reserve_lets_a_full_disk_take_more_events(small_disk: Path) -> None:
    told: list[OutboxError] = []
    with Outbox(small_disk / "outbox.db", on_error=told.append, reserve_bytes=256 << 10) as box:
        first = event()
        box.put(first)
        fill(small_disk)
        events = [event() for _ in range(150)]
        stored = [box.put(each) for each in events]
        assert all(stored)
        assert box.problems == ["disk_full"]
        assert [type(each) for each in told] == [OutboxFullError]
        assert emptied(box) == [first.id, *(each.id for each in events)]


def test_a_full_disk_without_a_reserve_stops_neither_events_nor_delivery(small_disk: Path) -> None:
    now = 0.0
    path = small_disk / "outbox.db"
    with Outbox(path, reserve_bytes=256 << 10, clock=lambda: now) as box:
        before = [event() for _ in range(20)]
        for each in before:
            box.put(each)
        SpaceReserve(path.with_name("outbox.db.reserve")).release()
        big = fill(small_disk)
        after = [event() for _ in range(300)]
        for each in after:
            box.put(each)
        assert box.in_memory
        assert "disk_full" in box.problems
        assert box.depth() == 320
        half = []
        for _ in range(160):
            waiting = box.peek()
            assert waiting is not None
            half.append(waiting.id)
            box.ack(waiting.id)
        big.unlink()
        now = 11.0
        box.maintain()
        assert box.problems == []
        assert box.in_memory == 0
        assert database.inspect(path).depth == 160
        assert half + emptied(box) == [each.id for each in (*before, *after)]


def test_a_start_on_a_full_disk_delivers_what_the_disk_holds(small_disk: Path) -> None:
    path = small_disk / "outbox.db"
    ids = filled(path, 40)
    fill(small_disk)
    with Outbox(path) as box:
        new = event()
        box.put(new)
        assert box.depth() == 41
        assert emptied(box) == [*ids, new.id]
        assert box.problems == ["disk_full"]


def test_a_start_on_a_read_only_disk_delivers_and_deletes_when_it_can(small_disk: Path) -> None:
    now = 0.0
    path = small_disk / "outbox.db"
    ids = filled(path, 5)
    told: list[OutboxError] = []
    remount(small_disk, "ro")
    with Outbox(path, on_error=told.append, reserve_bytes=65536, clock=lambda: now) as box:
        assert box.problems == ["state_not_writable"]
        new = event()
        assert not box.put(new)
        assert box.depth() == 6
        for each in ids[:3]:
            box.ack(each)
        remount(small_disk, "rw")
        now = 11.0
        box.maintain()
        assert box.problems == []
        assert database.inspect(path).depth == 3
        assert emptied(box) == [*ids[3:], new.id]
    assert [type(each) for each in told] == [OutboxUnwritableError]


def test_a_disk_that_becomes_read_only_stops_neither_events_nor_delivery(small_disk: Path) -> None:
    path = small_disk / "outbox.db"
    with Outbox(path, reserve_bytes=65536) as box:
        first, second = event(), event()
        assert box.put(first)
        # An open file that may be written keeps the disk from being remounted.
        broken(box)
        assert not box.put(second)
        assert box.problems == ["state_not_writable"]
        assert emptied(box) == [first.id, second.id]


def test_a_folder_that_cannot_be_made_is_named_and_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    told: list[OutboxError] = []
    with Outbox(tmp_path / "file" / "outbox.db", on_error=told.append) as box:
        new = event()
        assert not box.put(new)
        assert emptied(box) == [new.id]
    assert "cannot be written" in str(told[0])


def broken(box: Outbox) -> None:
    """Let the connection refuse to write, as it does on a read-only file system."""

    def refuse(opened: database.OutboxDatabase) -> None:
        opened._db.execute("PRAGMA query_only=ON")

    assert box._disk.do(refuse)
