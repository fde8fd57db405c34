"""A real edge among the devices: `python -m edge run` plays the demo's clip.

It runs the shipped models. Unlike the other devices it keeps no journal. The number of its events
follows from its outbox, whose row ids rise with each event and are never used twice (SQLite,
AUTOINCREMENT). Like the events themselves, they survive a kill -9.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from chaos.device import OUTBOX
from demo.clip import BUNDLED
from edge.delivery import database
from edge.errors import OutboxError

COMMAND = ("edge", "run", "--loop", "--source", str(BUNDLED))

BLIND = {"EDGE_VOTES": "1000"}
"""More votes than the clip gives anybody, so that the edge makes no more events."""

AT_LEAST = 2
"""Events of the clip: its person without the mask, and with it."""


def environment(folder: Path) -> dict[str, str]:
    """The settings of an edge whose state is in `folder`."""
    return {
        "EDGE_STATE_DIR": str(folder),
        "EDGE_MODEL_CACHE_DIR": str(folder / "models"),
        "EDGE_INFERENCE_THREADS": "1",
        "EDGE_SOUND": "false",
        "EDGE_LOG_JSON": "true",
    }


def made(folder: Path) -> int:
    """Return how many events the edge has ever put into its outbox."""
    path = folder / OUTBOX
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as db:
        try:
            row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'waiting'").fetchone()
        except sqlite3.OperationalError:  # the edge is just making its tables
            return 0
    return int(row[0]) if row else 0


def left(folder: Path) -> int:
    """Return how many of its events the cloud has not acknowledged."""
    try:
        contents = database.inspect(folder / OUTBOX)
    except OutboxError:
        return 0
    return contents.depth + len(contents.rejected)
