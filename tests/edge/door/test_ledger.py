"""A used pass is remembered on the disk, and its code only until the cloud knows of it."""

import sqlite3
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from edge.door.ledger import KEPT, Ledger
from edge.errors import LedgerError
from tests.edge.door.signed import NOW, OTHER_TOKEN, TOKEN, code


def test_a_used_pass_is_remembered_over_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "door.db"
    with Ledger(path) as ledger:
        assert ledger.admit_offline(TOKEN, code(), "nonce-0001", NOW)
        assert not ledger.admit_offline(TOKEN, code(), "nonce-0002", NOW)
    with Ledger(path) as ledger:
        assert ledger.is_used(TOKEN)
        assert not ledger.is_used(OTHER_TOKEN)
        pending = ledger.pending()
        assert pending is not None
        assert (pending.nonce, pending.admitted_at) == ("nonce-0001", NOW)


def test_admissions_are_pending_in_their_order_until_they_are_settled(tmp_path: Path) -> None:
    with Ledger(tmp_path / "door.db") as ledger:
        for token, nonce in ((TOKEN, "nonce-0001"), (OTHER_TOKEN, "nonce-0002")):
            ledger.admit_offline(token, code(token), nonce, NOW)
        first = ledger.pending()
        assert first is not None
        ledger.settle(first, "admitted")
        second = ledger.pending()
        assert second is not None
        assert second.nonce == "nonce-0002"


def test_the_file_is_its_owners_alone_and_forgets_a_reported_code(tmp_path: Path) -> None:
    path = tmp_path / "door.db"
    with Ledger(path) as ledger:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        ledger.admit_offline(TOKEN, code(), "nonce-0001", NOW)
        pending = ledger.pending()
        assert pending is not None
        ledger.settle(pending, "admitted")
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT scanned FROM admissions").fetchall() == [(None,)]
    db.close()


def test_old_passes_are_forgotten_but_never_an_unreported_one(tmp_path: Path) -> None:
    with Ledger(tmp_path / "door.db") as ledger:
        ledger.admit_offline(TOKEN, code(), "nonce-0001", NOW)
        ledger.remember(OTHER_TOKEN, "nonce-0002", NOW)
        ledger.remember("9Ms4pZy3TvD6b", "nonce-0003", NOW + KEPT + timedelta(seconds=1))
        assert not ledger.is_used(OTHER_TOKEN)
        assert ledger.is_used(TOKEN)


def test_a_file_that_is_no_ledger_is_named(tmp_path: Path) -> None:
    path = tmp_path / "door.db"
    path.write_bytes(b"no database at all, but long enough to be looked at" * 20)
    with pytest.raises(LedgerError, match=r"door\.db"):
        Ledger(path)
