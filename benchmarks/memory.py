"""What an event costs in Redis's memory, and whether it costs more with many before it.

Events are written by the cloud's own batch builder and script, in pipelines; what a worker changes
and removes is done in the same pipelines, and what expires with the pass is removed, so that what
is left is what lies there until the retention ends. A test holds it against what a worker leaves.
"""

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, cast
from uuid import UUID

import psutil
import uuid_utils
from pydantic import SecretStr
from rich.console import Console
from rich.progress import Progress

from benchmarks.rows import Row
from cloud import gatekeeping
from cloud.commands.redis import SMALL_HASHES
from cloud.contract import Channel, DeliveryStatus, Event, Gate, Label, Subscriber
from cloud.gatekeeping import PassRules, PostedEvent
from cloud.settings import Settings
from cloud.store import Acceptance, Store, keyspace, now, subscriber_id
from cloud.store.moments import to_ms
from cloud.store.transaction import WRITE
from tests.doubles.redis_server import RedisServer

GATE: Final = "bench"
MARKS: Final = (10_000, 100_000, 1_000_000)
AT_A_TIME: Final = 500
LIFETIME: Final = timedelta(minutes=5)

ROOM_BYTES: Final = 8_000
"""Memory that is to be free for each event, or the mark is left out."""


class MemoryShortError(Exception):
    """This machine has too little memory free for the least mark."""


class Filler:
    """Writes granted events, one told delivery each, as they lie there once they are done."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sha1 = hashlib.sha1(WRITE.encode(), usedforsecurity=False).hexdigest()
        store.client.script_load(WRITE)

    def prepare(self) -> None:
        """Make the gate and its subscriber."""
        gate, chat = Gate(id=GATE, name="Bench", created_at=now()), "1000000"
        self._store.gates.add(gate)
        self._store.gates.subscribe(
            Subscriber(
                id=subscriber_id(Channel.TELEGRAM, chat),
                gate=GATE,
                channel=Channel.TELEGRAM,
                address=chat,
                created_at=now(),
            )
        )

    def write(self, count: int) -> None:
        """Write so many events."""
        context = self._store.events.policy_context(GATE)
        pipe = self._store.client.pipeline(transaction=False)
        for _ in range(count):
            posted = PostedEvent(_event(), GATE, "bench")
            offered = gatekeeping.offer(posted, context, PassRules(LIFETIME), now())
            batch = self._store.batches.for_event(offered)
            record = keyspace.event(offered.event.id)
            pipe.evalsha(self._sha1, 1, record, *cast(Sequence[Any], batch.arguments))
            self._done(pipe, offered)
        pipe.delete(self._store.queue.key)
        pipe.execute()

    def _done(self, pipe: Any, offered: Acceptance) -> None:
        """Leave what a worker leaves of an event whose pass is over."""
        issued = offered.decision.issued_pass
        if issued is None:
            raise AssertionError("a mask worn well was refused")
        (told,), at = offered.deliveries, to_ms(now())
        pipe.delete(
            keyspace.pass_token(issued.id),
            f"rq:job:deliver-{told.id}",
            f"rq:job:draw-qr-{issued.id}",
        )
        pipe.hset(keyspace.pass_(issued.id), "qr_ready_at", at)
        pipe.hset(
            keyspace.delivery(told.id),
            mapping={
                "status": DeliveryStatus.SENT.value,
                "settled_at": at,
                "held_until": 0,
                "attempts": 1,
                "first_attempt_at": at,
                "message_id": 1_000_000,
            },
        )


def rows(state: Path, most: int = MARKS[-1]) -> dict[str, Row]:
    """Measure bytes per event at each of MARKS up to `most`, as far as memory is free.

    Args:
        state: An empty folder for Redis.
        most: The largest number of events.

    Returns:
        The rows of the table, by name.

    Raises:
        MemoryShortError: The free memory does not hold even the smallest number of events.
    """
    state.mkdir(parents=True, exist_ok=True)
    free = psutil.virtual_memory().available
    marks = [mark for mark in MARKS if mark <= most and mark * ROOM_BYTES <= free]
    if not marks:
        raise MemoryShortError(
            f"{free / 1e6:,.0f} MB are free; {MARKS[0] * ROOM_BYTES / 1e6:,.0f} wanted"
        )
    measured: dict[int, float] = {}
    # What is measured is the memory; a file of 4 KB an event would only take time.
    with RedisServer(state, "--appendonly", "no", *SMALL_HASHES) as server:
        store = Store.open(Settings(redis_url=SecretStr(server.url)))
        filler = Filler(store)
        filler.prepare()
        filler.write(AT_A_TIME)  # scripts, streams and counters are there from now on
        before = _used(store)
        with Progress(console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task("events in memory", total=marks[-1])
            for written in range(AT_A_TIME, marks[-1] + 1, AT_A_TIME):
                filler.write(AT_A_TIME)
                progress.update(bar, completed=written)
                if written in marks:
                    measured[written] = (_used(store) - before) / written
        store.close()
    first = measured[marks[0]]
    return {
        f"memory per event, of {mark:,}": Row(
            measured[mark], "bytes", f"of {marks[0]:,}: {first:,.0f} bytes", measured[mark] / first
        )
        for mark in marks
    }


def _used(store: Store) -> int:
    return int(store.client.info("memory")["used_memory"])


def _event() -> Event:
    at = now()
    return Event(
        id=UUID(int=uuid_utils.uuid7().int),
        label=Label.WITH_MASK,
        confidence=0.97,
        votes=9,
        first_seen_at=at,
        occurred_at=at,
    )
