"""The claims of a site: which passes its doors have used while the cloud is away.

A claim holds the SHA-256 of a token and never the token.
"""

import sqlite3
import threading
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from edge.errors import LedgerError

_TABLES = """
CREATE TABLE IF NOT EXISTS claims (
    token_sha256 TEXT PRIMARY KEY,
    nonce TEXT NOT NULL,
    door TEXT NOT NULL,
    claimed_at TEXT NOT NULL
) STRICT;
"""


class Claim(BaseModel):
    """A door's wish to admit the bearer of a pass."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    token_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    nonce: str = Field(min_length=8, max_length=64)
    door: str = Field(min_length=1, max_length=200)


class ClaimAnswer(BaseModel):
    """The hub's answer: whether the pass is granted to this attempt, and to which door it is."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    granted: bool
    door: str
    claimed_at: datetime


class Claims:
    """The passes that doors have claimed, in SQLite. May be used from several threads.

    Args:
        path: Of the database.

    Raises:
        LedgerError: The file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise self._failure(error) from error

    def claim(self, claim: Claim, at: datetime) -> ClaimAnswer:
        """Grant a pass to the first attempt that claims it. The same attempt is granted again.

        Args:
            claim: A door's wish.
            at: The present.

        Returns:
            Whether the pass is granted, and who has it.

        Raises:
            LedgerError: The claim could not be recorded.
        """
        with self._turn:
            try:
                self._db.execute(
                    "INSERT INTO claims VALUES (?, ?, ?, ?) ON CONFLICT (token_sha256) DO NOTHING",
                    (claim.token_sha256, claim.nonce, claim.door, at.isoformat()),
                )
                nonce, door, claimed_at = self._db.execute(
                    "SELECT nonce, door, claimed_at FROM claims WHERE token_sha256 = ?",
                    (claim.token_sha256,),
                ).fetchone()
            except sqlite3.Error as error:
                raise self._failure(error) from error
        return ClaimAnswer(
            granted=nonce == claim.nonce, door=door, claimed_at=datetime.fromisoformat(claimed_at)
        )

    def close(self) -> None:
        """Close the database."""
        with self._turn:
            self._db.close()

    def _failure(self, error: Exception) -> LedgerError:
        return LedgerError(
            f"list of claims {self._path} cannot be used: {error}",
            "Check EDGE_STATE_DIR, its owner and its disk",
        )
