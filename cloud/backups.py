"""Scheduled backups: a process that makes each backup when it is due, and keeps the newest."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Final, Self
from zoneinfo import ZoneInfo

import structlog

from cloud.errors import CloudError
from cloud.periodic import PeriodicTask
from cloud.store import COMMAND, Store, dated, leftovers, newest, now, thin_out

log = structlog.get_logger("cloud.backups")

LOOK_EVERY_S: Final = 30.0
"""How often the clock is read: it may be set, and a machine may have slept meanwhile."""

RETRY_AFTER: Final = timedelta(minutes=5)
LATE_AFTER: Final = timedelta(hours=1)
"""How long after it was due a missing backup counts as late."""

SHORTEST_INTERVAL: Final = timedelta(minutes=5)
UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Schedule:
    """When backups are due: some time after the last one, or at one time of each day.

    Args:
        when: Time from one backup to the next, or a time of day.
        zone: The time zone of the time of day.
    """

    when: timedelta | time
    zone: ZoneInfo

    @classmethod
    def read(cls, text: str, zone: ZoneInfo) -> Self:
        """Return the schedule that a person wrote.

        Args:
            text: `6h`, or `03:17`.
            zone: The time zone of the time of day.

        Returns:
            The schedule.

        Raises:
            ValueError: The text is neither, or the interval is below five minutes.
        """
        text = text.strip()
        if length := re.fullmatch(r"([0-9]{1,4})([mhd])", text):
            every = timedelta(**{UNITS[length[2]]: int(length[1])})
            if every >= SHORTEST_INTERVAL:
                return cls(every, zone)
        elif clock := re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", text):
            return cls(time(int(clock[1]), int(clock[2])), zone)
        raise ValueError(
            f"{text!r} is no schedule; give a time of day such as 03:17, or a length such as 6h or "
            "1d, not below 5m"
        )

    def due_after(self, last: datetime) -> datetime:
        """Return when the backup after the one of `last` is due."""
        if isinstance(self.when, timedelta):
            return last + self.when
        local = last.astimezone(self.zone)
        due = datetime.combine(local.date(), self.when, self.zone)
        if due <= local:
            due = datetime.combine(local.date() + timedelta(days=1), self.when, self.zone)
        return due


class Backups:
    """Makes backups of a store in a folder. A backup that was missed is made at the start.

    Args:
        store: The store.
        folder: The folder.
        schedule: When backups are due.
        keep: How many backups are kept.
        clock: Returns the current time.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        schedule: Schedule,
        keep: int,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._store = store
        self._folder = folder
        self._schedule = schedule
        self._keep = keep
        self._clock = clock
        self._began = clock()
        self._not_before = self._began

    def run(self, stop: threading.Event) -> None:
        """Make backups until `stop` is set; a backup that is under way is finished."""
        for file in leftovers(self._folder, self._clock()):
            file.unlink(missing_ok=True)
        log.info("backups_scheduled", next_at=self.due().isoformat(), keep=self._keep)
        PeriodicTask(
            "backups", self.make_if_due, interval_s=LOOK_EVERY_S, at_once=True, stopping=stop
        ).run()

    def due(self) -> datetime:
        """Return when the next backup is due: at the start where there is none."""
        last = newest(self._folder, self._clock())
        return self._began if last is None else self._schedule.due_after(last)

    def make_if_due(self) -> bool:
        """Make a backup if one is due, and return whether it was made."""
        moment = self._clock()
        if moment < max(self.due(), self._not_before):
            return False
        file = dated(self._folder, moment)
        try:
            keys = self._store.backup.write(file, moment, lambda _: None)
            self._store.audit.record(
                actor=COMMAND, act="store.backed_up", subject="store:all", now=moment
            )
            removed = thin_out(self._folder, self._keep)
        except (CloudError, OSError) as error:
            log.exception("backup_failed", error=str(error), again_in_s=RETRY_AFTER.total_seconds())
            self._not_before = moment + RETRY_AFTER
            return False
        log.info(
            "backup_made",
            file=str(file),
            keys=keys,
            bytes=file.stat().st_size,
            removed=len(removed),
            next_at=self.due().isoformat(),
        )
        return True

    def late(self) -> bool:
        """Return whether a backup that was due an hour ago is missing."""
        return self._clock() > max(self.due(), self._began) + LATE_AFTER

    def last_success(self) -> float:
        """Return when the newest backup was made, in seconds since 1970; 0 without a backup."""
        last = newest(self._folder, self._clock())
        return last.timestamp() if last is not None else 0.0
