"""The relay: carries jobs from the outbox to a queue on another Redis, where there is one."""

from datetime import timedelta
from functools import partial
from typing import Final

from cloud.periodic import PeriodicTask
from cloud.store import Store

WAIT: Final = timedelta(seconds=1)
"""How long one read waits for a job: less than the time that Redis is given to answer."""


def tasks(store: Store) -> list[PeriodicTask]:
    """Return the task that carries jobs over; none where data and queue are on one Redis.

    Any number of workers may relay at once: no entry is taken twice.

    Args:
        store: The store.

    Returns:
        One task, or none.
    """
    if store.outbox is None:
        return []
    return [PeriodicTask("relay", partial(store.outbox.relay, WAIT), interval_s=0, at_once=True)]


def drain(store: Store) -> None:
    """Carry over all jobs that are in the outbox now."""
    while store.outbox is not None and store.outbox.relay():
        pass
