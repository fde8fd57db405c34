"""The ledger of a door: which passes were used here, and which the cloud does not know of yet.

An admission is on the disk before the lock opens. The file holds the text of a code only until the
cloud has recorded the admission, and nobody but its owner can read it.
"""

import hashlib
import os
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from edge.errors import LedgerError

EDITION: Final = 1
"""Version of the tables, kept in `PRAGMA user_version`."""

KEPT: Final = timedelta(days=31)
"""How long a used pass is remembered. A pass lives a day at most (`cloud.contract.gates`)."""

_TABLES = """
CREATE TABLE admissions (
    place INTEGER PRIMARY KEY AUTOINCREMENT,
    token_sha256 TEXT NOT NULL UNIQUE,
    scanned TEXT,
    nonce TEXT NOT NULL,
    admitted_at TEXT NOT NULL,
    outcome TEXT
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class PendingAdmission:
    """An admission that the cloud does not know of yet.

    Attributes:
        token_sha256: SHA-256 of the token, in hexadecimal.
        scanned: The text of the code.
        nonce: Of the attempt.
        admitted_at: When the door opened.
    """

    token_sha256: str
    scanned: str = field(repr=False)
    nonce: str
    admitted_at: datetime


def sha256_of(token: str) -> str:
    """Return the SHA-256 of a token, in hexadecimal."""
    return hashlib.sha256(token.encode()).hexdigest()


class Ledger:
    """The used passes of one door. Its methods may be called from several threads.

    Args:
        path: Of the database; it is made if it does not exist.

    Raises:
        LedgerError: The file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            (edition,) = self._db.execute("PRAGMA user_version").fetchone()
            if edition == 0:
                self._db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version={EDITION}; COMMIT;")
        except (OSError, sqlite3.Error) as error:
            raise self._failure(error) from error
        if edition not in {0, EDITION}:
            raise LedgerError(
                f"ledger {path} has edition {edition}; this software knows {EDITION} alone",
                "Run the version that wrote the ledger",
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._turn:
            self._db.close()

    def is_used(self, token: str) -> bool:
        """Return whether the door has admitted a bearer of this token."""
        found = self._read("SELECT 1 FROM admissions WHERE token_sha256 = ?", sha256_of(token))
        return found is not None

    def admit_offline(self, token: str, scanned: str, nonce: str, at: datetime) -> bool:
        """Record an admission that the cloud does not know of yet.

        Returns:
            False if the token was used at this door before; then nothing is changed.

        Raises:
            LedgerError: The admission could not be recorded, so the lock must stay shut.
        """
        return self._write(
            "INSERT INTO admissions (token_sha256, scanned, nonce, admitted_at) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (token_sha256) DO NOTHING",
            *(sha256_of(token), scanned, nonce, at.isoformat()),
        )

    def remember(self, token: str, nonce: str, at: datetime) -> None:
        """Remember an admission by the cloud, for an outage that may follow.

        Raises:
            LedgerError: The admission could not be recorded.
        """
        self._write(
            "INSERT INTO admissions (token_sha256, nonce, admitted_at, outcome)"
            " VALUES (?, ?, ?, 'admitted') ON CONFLICT (token_sha256) DO NOTHING",
            *(sha256_of(token), nonce, at.isoformat()),
        )
        self._write(
            "DELETE FROM admissions WHERE outcome IS NOT NULL AND admitted_at < ?",
            (at - KEPT).isoformat(),
        )

    def pending(self) -> PendingAdmission | None:
        """Return the oldest admission that the cloud does not know of; None if it knows of all."""
        row = self._read(
            "SELECT token_sha256, scanned, nonce, admitted_at FROM admissions"
            " WHERE outcome IS NULL ORDER BY place LIMIT 1"
        )
        if row is None:
            return None
        return PendingAdmission(row[0], row[1], row[2], datetime.fromisoformat(row[3]))

    def settle(self, admission: PendingAdmission, outcome: str) -> None:
        """Record what the cloud said of an admission, and forget the text of the code."""
        self._write(
            "UPDATE admissions SET outcome = ?, scanned = NULL WHERE token_sha256 = ?",
            *(outcome, admission.token_sha256),
        )

    def _read(self, statement: str, *values: str) -> tuple[str, ...] | None:
        with self._turn:
            try:
                with closing(self._db.execute(statement, values)) as cursor:
                    row: tuple[str, ...] | None = cursor.fetchone()
            except sqlite3.Error as error:
                raise self._failure(error) from error
        return row

    def _write(self, statement: str, *values: str) -> bool:
        with self._turn:
            try:
                with closing(self._db.execute(statement, values)) as cursor:
                    return cursor.rowcount > 0
            except sqlite3.Error as error:
                raise self._failure(error) from error

    def _failure(self, error: Exception) -> LedgerError:
        return LedgerError(
            f"ledger {self._path} cannot be used: {error}",
            "Check EDGE_STATE_DIR, its owner and its disk; while the ledger cannot be used, the"
            " door admits nobody without the cloud",
        )
