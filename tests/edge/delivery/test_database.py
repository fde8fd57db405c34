import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from edge.delivery import database
from edge.delivery.database import OutboxDatabase
from edge.errors import OutboxDamagedError, OutboxEditionError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def test_every_commit_waits_for_the_disk(path: Path) -> None:
    opened = OutboxDatabase(path)
    assert opened._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert opened._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    opened.close()


def test_looking_for_an_outbox_makes_none(path: Path) -> None:
    with pytest.raises(OutboxDamagedError, match="does not exist"):
        database.inspect(path)
    assert not path.exists()


def test_an_outbox_of_another_edition_is_refused_and_left_alone(path: Path) -> None:
    OutboxDatabase(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(OutboxEditionError, match="edition 99"):
        OutboxDatabase(path)
    assert path.exists()


def test_a_refused_outbox_is_not_held_open(path: Path) -> None:
    path.write_bytes(b"these are not the bytes of a database" * 50)
    with pytest.raises(OutboxDamagedError) as refused:
        OutboxDatabase(path)
    held = {file.readlink() for file in Path("/proc/self/fd").iterdir() if file.exists()}
    assert path not in held
    assert refused.value.__traceback__ is not None  # the half-made object is still alive here


def test_the_rejected_events_are_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "MAX_REJECTED", 3)
    opened = OutboxDatabase(path)
    for name in "abcde":
        opened.add([(name, "{}")])
        opened.reject(name, "event_conflict")
    opened.close()
    assert [each.id for each in database.inspect(path).rejected] == ["c", "d", "e"]
