"""Maintenance: what one worker of all does from time to time: purges, warnings, lost jobs."""

from datetime import datetime, timedelta
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

import structlog

from cloud.contract import KeyStatus
from cloud.errors import StoreError
from cloud.periodic import PeriodicTask
from cloud.settings import Settings
from cloud.store import COMMAND, PurgeCounts, Store, now

log = structlog.get_logger("cloud.upkeep")

PURGE_INTERVAL: Final = timedelta(days=1)
LOST_JOBS_INTERVAL: Final = timedelta(minutes=15)
LOOK_EVERY_S: Final = 60.0
EXPIRES_SOON: Final = timedelta(days=7)
"""How long before its expiry a key is warned of, once a day."""

UPKEEP: Final = "upkeep"
"""The actor, in the audit trail, of what a worker does by itself."""


def tasks(store: Store, settings: Settings) -> list[PeriodicTask]:
    """Return the tasks of maintenance, which any number of workers share.

    A purge that is under way when the worker stops is cut off; another worker's purge removes what
    is left.

    Args:
        store: The store.
        settings: The settings.

    Returns:
        The tasks.
    """
    # A look each minute is too rare to tell when the store is back.
    return [
        PeriodicTask(name, action, interval_s=LOOK_EVERY_S, at_once=True, tracks_store=False)
        for name, action in (
            ("purge", partial(purge_if_due, store, settings)),
            ("lost-jobs", partial(put_back_lost_jobs, store)),
        )
    ]


def purge(
    store: Store, settings: Settings, days: int | None = None, actor: str = COMMAND
) -> PurgeCounts:
    """Remove old events, passes and deliveries, and record that in the audit trail.

    Args:
        store: The store.
        settings: The settings.
        days: The age in days past which records are removed; CLOUD_RETENTION_DAYS by default.
        actor: Who purges, for the audit trail.

    Returns:
        How many records were removed.
    """
    kept_days = settings.retention_days if days is None else days
    moment = now()
    removed = store.retention.purge(moment, timedelta(days=kept_days), ZoneInfo(settings.time_zone))
    reason = (
        f"older than {kept_days} days: {removed.events} events, {removed.passes} passes, "
        f"{removed.deliveries} deliveries, {removed.quarters} quarters of statistics"
    )
    store.audit.record(
        actor=actor, act="store.purged", subject="store:events", now=moment, reason=reason
    )
    log.info(
        "purged",
        days=kept_days,
        events=removed.events,
        passes=removed.passes,
        deliveries=removed.deliveries,
        tokens=removed.tokens,
        quarters=removed.quarters,
    )
    return removed


def purge_if_due(store: Store, settings: Settings) -> bool:
    """Purge, and warn of keys that expire soon, if no worker has done so for a day.

    Args:
        store: The store.
        settings: The settings.

    Returns:
        Whether this call did the work.
    """
    if not store.retention.claim(PURGE_INTERVAL):
        return False
    try:
        purge(store, settings, actor=UPKEEP)
        warn_of_expiries(store, now())
    except StoreError as error:
        log.warning("purge_interrupted", error=str(error))
        _release_claim(store)
        return False
    return True


def _release_claim(store: Store) -> None:
    try:
        store.retention.release()
    except StoreError:
        log.warning("purge_delayed")


def warn_of_expiries(store: Store, moment: datetime) -> None:
    """Log a warning for each key that expires within EXPIRES_SOON.

    The old key of a device that was given a new one is meant to expire, and is left out.

    Args:
        store: The store.
        moment: The current time.
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


def put_back_lost_jobs(store: Store) -> None:
    """Queue a job for every delivery that has lost its own, if no worker has just looked."""
    if store.lost_jobs.claim(LOST_JOBS_INTERVAL):
        found = store.lost_jobs.requeue(now())
        if found:
            log.warning("jobs_put_back", deliveries=found)
