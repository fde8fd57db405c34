"""The rule of the door as tests call it: from any thread, on the store that blocks."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, TypeVar

from cloud import gatekeeping
from cloud.contract import Event, Redemption
from cloud.gatekeeping import Answer, PassRules, PostedEvent, Scan
from cloud.gatekeeping.blocking import BlockingGateStore
from cloud.store import Store

R = TypeVar("R")


def accept(
    store: Store,
    event: Event,
    *,
    gate: str,
    device_id: str,
    pass_lifetime: timedelta,
    now: datetime,
    sent_at: datetime | None = None,
    visitor_wait: timedelta = gatekeeping.VISITOR_WAIT,
    zone: tzinfo = UTC,
) -> Answer:
    """Accept an event as one of a device at a gate."""
    posted = PostedEvent(event, gate, device_id, sent_at)
    return _finished(
        gatekeeping.accept(
            BlockingGateStore(store),
            lambda _: posted,
            gate=gate,
            rules=PassRules(pass_lifetime, visitor_wait, zone),
            now=now,
        )
    )


def redeem(
    store: Store,
    *,
    scanned: str,
    nonce: str,
    gate: str,
    key_id: str,
    now: datetime,
    name: str = "",
    role: str = "",
) -> Redemption:
    """Redeem what was scanned at a gate."""
    scan = Scan(scanned, nonce, gate, key_id, name, role)
    return _finished(
        gatekeeping.redeem(
            BlockingGateStore(store), lambda _: scan, key_id=key_id, gate=gate, now=now
        )
    )


def _finished(call: Coroutine[Any, Any, R]) -> R:
    """Return the result of a call; the thread that asks may run an event loop."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, call).result()
