"""Decisions on a cached context: made again where it has changed, and never a refusal by it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from cloud import gatekeeping
from cloud.contract import Access, Event, Outcome, Role
from cloud.errors import KeyRevoked
from cloud.gatekeeping import Answer, PassRules, PostedEvent, Scan
from cloud.settings import Settings
from cloud.store import AsyncStore, PolicyContext, Store, StoredKey, mint, now
from tests.cloud.conftest import GATE

Make = Callable[..., Event]
RULES = PassRules(timedelta(minutes=5))


@pytest.fixture
async def fast(store: Store, settings: Settings) -> AsyncIterator[AsyncStore]:
    opened = AsyncStore.open(settings, store.batches)
    yield opened
    await opened.close()


@pytest.fixture
def key(store: Store) -> StoredKey:
    minted = mint("camera", Role.DEVICE, GATE, "camera")
    store.keys.add(minted.stored)
    return minted.stored


async def accept(fast: AsyncStore, key: StoredKey, event: Event) -> Answer:
    def verify(context: PolicyContext) -> PostedEvent:
        if context.key is None or context.key.revoked:
            raise KeyRevoked("this key was revoked")
        return PostedEvent(event, GATE, "camera")

    return await gatekeeping.accept(fast, verify, key_id=key.id, rules=RULES, now=now())


async def redeem(fast: AsyncStore, key: StoredKey, token: str, nonce: str) -> Outcome:
    scan = Scan(token, nonce, GATE, key.id)
    return (await gatekeeping.redeem(fast, lambda _: scan, key_id=key.id, now=now())).outcome


async def test_a_gate_that_closes_is_noticed_by_the_next_event(
    fast: AsyncStore, store: Store, key: StoredKey, make_event: Make
) -> None:
    assert (await accept(fast, key, make_event())).decision.access is Access.GRANTED
    store.gates.change(GATE, {"closed": True})
    assert (await accept(fast, key, make_event())).decision.access is Access.REFUSED
    store.gates.change(GATE, {"closed": False})
    assert (await accept(fast, key, make_event())).decision.access is Access.GRANTED


async def test_a_key_that_is_revoked_is_noticed_by_the_next_event(
    fast: AsyncStore, store: Store, key: StoredKey, make_event: Make
) -> None:
    event = make_event()
    await accept(fast, key, make_event())
    store.keys.revoke(key.id)
    with pytest.raises(KeyRevoked):
        await accept(fast, key, event)
    assert store.events.get(event.id, now()) is None


async def test_nobody_is_refused_on_a_cached_context(
    fast: AsyncStore, key: StoredKey, make_event: Make
) -> None:
    event, seen = make_event(), list[PolicyContext]()
    await fast.read_context(key.id)

    def refuse_once(context: PolicyContext) -> PostedEvent:
        seen.append(context)
        if len(seen) == 1:
            raise KeyRevoked("this key was revoked, as the cache has it")
        return PostedEvent(event, GATE, "camera")

    answer = await gatekeeping.accept(fast, refuse_once, key_id=key.id, rules=RULES, now=now())
    assert answer.decision.access is Access.GRANTED
    assert len(seen) == 2


async def test_the_same_event_twenty_times_at_once_is_one_event(
    fast: AsyncStore, store: Store, key: StoredKey, make_event: Make
) -> None:
    event = make_event()
    answers = await asyncio.gather(*(accept(fast, key, event) for _ in range(20)))
    assert sum(not answer.repeated for answer in answers) == 1
    assert len({answer.decision.model_dump_json() for answer in answers}) == 1
    kept, _ = store.events.page(gate=None, access=None, label=None, before=None, limit=9, now=now())
    assert len(kept) == 1


async def test_a_hundred_attempts_at_once_admit_exactly_one(
    fast: AsyncStore, key: StoredKey, make_event: Make
) -> None:
    issued = (await accept(fast, key, make_event())).decision.issued_pass
    assert issued is not None
    outcomes = await asyncio.gather(
        *(redeem(fast, key, issued.token, f"nonce-{number:04}") for number in range(100))
    )
    assert outcomes.count(Outcome.ADMITTED) == 1
    assert outcomes.count(Outcome.ALREADY_REDEEMED) == 99
