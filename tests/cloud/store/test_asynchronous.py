"""Decisions that rest on what a process remembers: they hold only while it is still true."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from cloud import gatekeeping
from cloud.contract import Channel, Event, Outcome, Role, Subscriber
from cloud.errors import GateUnknown, StoreUnavailable
from cloud.gatekeeping import PassRules, PostedEvent
from cloud.settings import Settings
from cloud.store import (
    AsyncStore,
    Attempt,
    Receipt,
    Store,
    StoredKey,
    WriteOutcome,
    keyspace,
    mint,
    now,
)
from tests.cloud.conftest import GATE
from tests.doubles.redis_server import RedisServer, free_port

Make = Callable[..., Event]
RULES = PassRules(timedelta(minutes=5))


def posted(event: Event) -> PostedEvent:
    return PostedEvent(event, GATE, "camera")


def key_at(store: Store, gate: str = GATE) -> StoredKey:
    minted = mint("camera", Role.DEVICE, gate, "camera")
    store.keys.add(minted.stored)
    return minted.stored


def subscribe(store: Store, chat: str) -> None:
    store.gates.subscribe(
        Subscriber(id=chat, gate=GATE, channel=Channel.TELEGRAM, address=chat, created_at=now())
    )


async def accept(held: AsyncStore, key: StoredKey, event: Event) -> Receipt | WriteOutcome:
    context = held.cached_context(key.id) or await held.read_context(key.id)
    offered = gatekeeping.offer(posted(event), context, RULES, now())
    return await held.add(offered)


async def test_what_changed_since_it_was_read_is_noticed_and_nothing_is_written(
    store: Store, settings: Settings, make_event: Make
) -> None:
    held = AsyncStore.open(settings, store.batches)
    key = key_at(store)
    assert await accept(held, key, make_event()) is WriteOutcome.WRITTEN
    for change in (lambda: subscribe(store, "42"), lambda: store.keys.revoke(key.id)):
        change()
        event = make_event()
        assert await accept(held, key, event) is WriteOutcome.STALE
        assert store.events.get(event.id, now()) is None
        await held.read_context(key.id)
        assert await accept(held, key, event) is WriteOutcome.WRITTEN
    await held.close()


async def test_many_at_once_are_answered_each_with_its_own(
    store: Store, settings: Settings, make_event: Make
) -> None:
    held = AsyncStore.open(settings, store.batches)
    key = key_at(store)
    events = [make_event() for _ in range(30)]
    outcomes = await asyncio.gather(*(accept(held, key, event) for event in events * 2))
    assert (
        outcomes[:30].count(WriteOutcome.WRITTEN) + outcomes[30:].count(WriteOutcome.WRITTEN) == 30
    )
    for event, outcome in zip(events * 2, outcomes, strict=True):
        if isinstance(outcome, Receipt):
            assert outcome.event == event
    await held.close()


async def test_scripts_are_sent_again_to_a_redis_that_lost_them(
    store: Store, settings: Settings, make_event: Make, redis_server: RedisServer
) -> None:
    held = AsyncStore.open(settings, store.batches)
    key = key_at(store)
    with redis_server.client() as client:
        client.script_flush()
    assert await accept(held, key, make_event()) is WriteOutcome.WRITTEN
    await held.close()


async def test_a_gate_that_closed_since_it_was_looked_at_admits_nobody(
    store: Store, settings: Settings, make_event: Make
) -> None:
    held = AsyncStore.open(settings, store.batches)
    key = key_at(store)
    context = await held.read_context(key.id)
    offered = gatekeeping.offer(posted(make_event()), context, RULES, now())
    await held.add(offered)
    issued = offered.decision.issued_pass
    assert issued is not None
    assert context.gate is not None

    async def redeemed(nonce: str) -> Outcome:
        """Redeem with no guard at all: the script alone knows of the gate."""
        settled = await held.redeem(Attempt(issued.token, GATE, nonce, key.id, now()))
        assert settled is not None
        return settled.outcome

    store.gates.change(GATE, {"closed": True})
    assert await redeemed("nonce-0001") is Outcome.GATE_CLOSED
    store.client.hdel(keyspace.GATES, GATE)
    with pytest.raises(GateUnknown, match=GATE):
        await redeemed("nonce-0002")
    store.gates.add(context.gate)
    assert await redeemed("nonce-0002") is Outcome.ADMITTED
    await held.close()


async def test_an_outage_has_its_name_here_too(store: Store) -> None:
    away = AsyncStore.open(
        Settings.model_validate({"redis_url": f"redis://127.0.0.1:{free_port()}/0"}), store.batches
    )
    with pytest.raises(StoreUnavailable):
        await away.read_context("a")
    await away.close()
