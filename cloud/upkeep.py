"""Upkeep: what has to be done now and then, by one worker of all."""

import threading
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from cloud import availability
from cloud.contract import KeyStatus
from cloud.errors import StoreError
from cloud.settings import Settings
from cloud.store import COMMAND, PurgeCounts, Store, now

log = structlog.get_logger("cloud.upkeep")

INTERVAL: Final = timedelta(days=1)
LOST_JOBS_INTERVAL: Final = timedelta(minutes=15)
LOOK_EVERY_S: Final = 60.0
EXPIRES_SOON: Final = timedelta(days=7)
"""How long before its expiry a key is warned of, once a day."""

UPKEEP: Final = "upkeep"
"""The actor of what a worker does by itself."""


def purge(
    store: Store, settings: Settings, days: int | None = None, actor: str = COMMAND
) -> PurgeCounts:
    """Remove what is older than `days`, else than CLOUD_RETENTION_DAYS, and write that down."""
    kept = settings.retention_days if days is None else days
    moment = now()
    removed = store.retention.purge(moment, timedelta(days=kept), ZoneInfo(settings.time_zone))
    told = (
        f"older than {kept} days: {removed.events} events, {removed.passes} passes, "
        f"{removed.deliveries} deliveries, {removed.quarters} quarters of statistics"
    )
    store.audit.record(
        actor=actor, act="store.purged", subject="store:events", now=moment, reason=told
    )
    log.info(
        "purged",
        days=kept,
        events=removed.events,
        passes=removed.passes,
        deliveries=removed.deliveries,
        tokens=removed.tokens,
        quarters=removed.quarters,
    )
    return removed


def warn_of_expiries(store: Store, moment: datetime) -> None:
    """Write a warning for each key that expires within EXPIRES_SOON.

    A device's old key is left out: it is meant to end.
    """
    for key in store.keys.all():
        if key.expires_at is None or key.replaced_by is not None:
            continue
        if key.status_at(moment) is KeyStatus.ACTIVE and key.expires_at - moment <= EXPIRES_SOON:
            log.warning(
                "key_expires_soon",
                key_id=key.id,
                key_name=key.name,
                gate=key.gate,
                expires_at=key.expires_at.isoformat(),
            )


class Upkeep:
    """Purges, and warns of keys that expire soon, once a day, on a thread of its own.

    Any number of workers share the one turn.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="upkeep", daemon=True)

    def start(self) -> None:
        """Begin to look, every minute."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more. A purge in hand is left: another worker's will do what it did not."""
        self._stop.set()
        self._thread.join(timeout=5)

    def _work(self) -> None:
        while True:
            self.turn()
            self.look_for_lost_jobs()
            if self._stop.wait(LOOK_EVERY_S):
                return

    def look_for_lost_jobs(self) -> None:
        """Queue a job for every delivery that has lost its own, if it is time to look."""
        try:
            if self._store.lost_jobs.claim(LOST_JOBS_INTERVAL):
                found = self._store.lost_jobs.requeue(now())
                if found:
                    log.warning("jobs_put_back", deliveries=found)
        except StoreError as error:
            availability.of_the_store.mention(error)

    def turn(self) -> bool:
        """Purge if it is time, and return whether that was done."""
        try:
            if not self._store.retention.claim(INTERVAL):
                return False
        except StoreError as error:
            availability.of_the_store.mention(error)
            return False
        try:
            purge(self._store, self._settings, actor=UPKEEP)
            warn_of_expiries(self._store, now())
        except StoreError as error:
            log.warning("purge_interrupted", error=str(error))
            self._give_back()
            return False
        return True

    def _give_back(self) -> None:
        try:
            self._store.retention.release()
        except StoreError:
            log.warning("purge_delayed")
