import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from cloud import gatekeeping
from cloud.contract import (
    Access,
    Channel,
    Event,
    Label,
    Outcome,
    PassStatus,
    Redemption,
    RefusalReason,
    Subscriber,
)
from cloud.errors import EventConflict, GateUnknown
from cloud.gatekeeping import Answer
from cloud.store import Store, keyspace, now
from tests.cloud import door
from tests.cloud.conftest import GATE, OTHER_GATE
from tests.doubles.redis_server import RedisServer

LIFETIME = timedelta(minutes=5)
Make = Callable[..., Event]


def accept(store: Store, event: Event, device_id: str = "camera", gate: str = GATE) -> Answer:
    return door.accept(
        store, event, gate=gate, device_id=device_id, pass_lifetime=LIFETIME, now=now()
    )


def made_at(make_event: Make, moment: datetime, label: Label = Label.WITH_MASK) -> Event:
    return make_event(label, first_seen_at=moment, occurred_at=moment)


def subscribe(store: Store, channel: Channel, address: str) -> None:
    store.gates.subscribe(
        Subscriber(id=uuid4().hex, gate=GATE, channel=channel, address=address, created_at=now())
    )


def token_of(answer: Answer) -> str:
    assert answer.decision.issued_pass is not None
    return answer.decision.issued_pass.token


def redeem(
    store: Store,
    scanned: str,
    nonce: str = "nonce-0001",
    gate: str = GATE,
    at: datetime | None = None,
) -> Redemption:
    return door.redeem(
        store, scanned=scanned, nonce=nonce, gate=gate, key_id="reader", now=at or now()
    )


def test_a_mask_gets_a_pass_that_expires(make_event: Make) -> None:
    event = make_event()
    decision = gatekeeping.decide(event, GATE, LIFETIME, now())
    assert decision.access is Access.GRANTED
    assert decision.refusal is None
    assert decision.issued_pass is not None
    assert decision.issued_pass.expires_at - event.occurred_at == LIFETIME


@pytest.mark.parametrize(
    ("age", "granted"),
    [
        (timedelta(), True),
        (LIFETIME - timedelta(milliseconds=1), True),
        (LIFETIME, False),
        (timedelta(hours=3), False),
    ],
)
def test_a_pass_lives_from_the_occurrence_on(
    make_event: Make, age: timedelta, granted: bool
) -> None:
    at = now()
    decision = gatekeeping.decide(made_at(make_event, at - age), GATE, LIFETIME, at)
    if granted:
        assert decision.issued_pass is not None
        assert decision.issued_pass.expires_at == at - age + LIFETIME
    else:
        assert decision.issued_pass is None
        assert decision.refusal is not None
        assert decision.refusal.reason is RefusalReason.TOO_LATE


@pytest.mark.parametrize("label", list(Label))
@pytest.mark.parametrize(
    ("off", "reason", "word"),
    [
        (timedelta(hours=-3), RefusalReason.TOO_LATE, "came too late for a pass"),
        (timedelta(hours=3), RefusalReason.CLOCK_AHEAD, "clock is ahead"),
    ],
)
def test_every_label_of_another_time_is_refused_with_the_reason_and_its_time(
    make_event: Make, label: Label, off: timedelta, reason: RefusalReason, word: str
) -> None:
    at = now()
    event = made_at(make_event, at + off, label)
    refusal = gatekeeping.decide(event, GATE, LIFETIME, at).refusal
    assert refusal is not None
    assert refusal.reason is reason
    assert word in refusal.message
    assert f"{at + off:%Y-%m-%d %H:%M:%S} UTC" in refusal.message
    assert "look at the camera" not in refusal.message


def test_a_decision_that_came_too_late_is_the_same_when_it_is_given_again(
    store: Store, make_event: Make
) -> None:
    event = made_at(make_event, now() - timedelta(hours=3))
    first, second = accept(store, event), accept(store, event)
    assert (first.repeated, second.repeated) == (False, True)
    assert first.decision == second.decision


def test_an_earlier_version_reads_a_record_whose_reason_it_does_not_know(
    store: Store, make_event: Make, redis_server: RedisServer
) -> None:
    late, refused = made_at(make_event, now() - timedelta(hours=3)), make_event(Label.WITHOUT_MASK)
    for event in (late, refused):
        accept(store, event)
    with redis_server.client() as client:
        assert client.hget(keyspace.event(late.id), "refusal") == b""
        assert b"no_mask" in (client.hget(keyspace.event(refused.id), "refusal") or b"")


@pytest.mark.parametrize(
    ("label", "reason", "word"),
    [
        (Label.WITHOUT_MASK, RefusalReason.NO_MASK, "put on a mask"),
        (Label.INCORRECT_MASK, RefusalReason.MASK_WORN_WRONGLY, "cover your nose"),
    ],
)
def test_all_else_is_refused_and_told_what_to_do(
    make_event: Make, label: Label, reason: RefusalReason, word: str
) -> None:
    decision = gatekeeping.decide(make_event(label), GATE, LIFETIME, now())
    assert decision.access is Access.REFUSED
    assert decision.issued_pass is None
    assert decision.refusal is not None
    assert decision.refusal.reason is reason
    assert word in decision.refusal.message


def test_the_same_event_again_gets_the_same_decision_and_does_nothing_twice(
    store: Store, make_event: Make
) -> None:
    subscribe(store, Channel.TELEGRAM, "42")
    event = make_event()
    first, second = accept(store, event), accept(store, event)
    assert (first.repeated, second.repeated) == (False, True)
    assert first.decision == second.decision
    assert store.waiting_jobs() == 2
    assert len(store.deliveries.page(gate=None, status=None, before=None, limit=9)[0]) == 1


def test_the_same_event_twenty_times_at_once_is_one_event(
    store: Store, make_event: Make, redis_server: RedisServer
) -> None:
    subscribe(store, Channel.TELEGRAM, "42")
    subscribe(store, Channel.TELEGRAM, "43")
    event = make_event()
    answers: list[Answer] = []
    together = threading.Barrier(20)

    def post() -> None:
        together.wait()
        answers.append(accept(store, event))

    threads = [threading.Thread(target=post) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 20
    assert sum(not answer.repeated for answer in answers) == 1
    assert len({answer.decision.model_dump_json() for answer in answers}) == 1
    with redis_server.client() as client:
        assert client.xlen(keyspace.events()) == client.xlen(keyspace.events(GATE)) == 1
        assert client.xlen(keyspace.deliveries()) == 2
        assert (
            len(client.keys(keyspace.pass_("*"))) == len(client.keys(keyspace.pass_token("*"))) == 1
        )
    assert store.waiting_jobs() == 3


def test_another_event_under_the_same_id_is_a_conflict(store: Store, make_event: Make) -> None:
    event = make_event()
    accept(store, event)
    with pytest.raises(EventConflict):
        accept(store, make_event(Label.WITHOUT_MASK, id=event.id))


def test_an_event_of_another_device_is_a_conflict_and_shows_no_token(
    store: Store, make_event: Make
) -> None:
    event = make_event()
    token = token_of(accept(store, event))
    with pytest.raises(EventConflict) as refused:
        accept(store, event, device_id="stranger")
    assert token not in str(refused.value)


def test_a_decision_given_again_after_its_pass_expired_comes_without_it(
    store: Store, make_event: Make, redis_server: RedisServer
) -> None:
    event = make_event()
    first = accept(store, event)
    assert first.decision.issued_pass is not None
    with redis_server.client() as client:
        client.delete(keyspace.pass_token(first.decision.issued_pass.id))
    again = accept(store, event)
    assert again.repeated
    assert again.decision == first.decision.model_copy(update={"issued_pass": None})


def test_an_event_at_a_gate_that_is_not_there_is_refused(store: Store, make_event: Make) -> None:
    with pytest.raises(GateUnknown):
        accept(store, make_event(), gate="nowhere")


def test_the_token_is_kept_only_as_a_hash_beside_its_one_expiring_copy(
    store: Store, make_event: Make, redis_server: RedisServer
) -> None:
    subscribe(store, Channel.TELEGRAM, "42")
    answer = accept(store, make_event())
    token = token_of(answer).encode()
    assert answer.decision.issued_pass is not None
    only = keyspace.pass_token(answer.decision.issued_pass.id).encode()
    with redis_server.client() as client:
        holding = [key for key in client.keys("*") if token in (client.dump(key) or b"")]
        assert holding == [only]
        assert 0 < client.pttl(only) <= LIFETIME.total_seconds() * 1000


def test_a_pass_tells_telegram_and_a_refusal_tells_everyone(store: Store, make_event: Make) -> None:
    subscribe(store, Channel.TELEGRAM, "42")
    subscribe(store, Channel.EMAIL, "guard@example.org")
    granted, refused = make_event(), make_event(Label.WITHOUT_MASK)
    token = token_of(accept(store, granted))
    accept(store, refused)
    kept, _ = store.deliveries.page(gate=GATE, status=None, before=None, limit=9)
    told = {(delivery.event_id, delivery.channel, delivery.with_qr) for delivery in kept}
    assert told == {
        (granted.id, Channel.TELEGRAM, True),
        (refused.id, Channel.TELEGRAM, False),
        (refused.id, Channel.EMAIL, False),
    }
    assert all(token not in delivery.text for delivery in kept)


# Redemption.


def test_a_pass_admits_once(store: Store, make_event: Make) -> None:
    token = token_of(accept(store, make_event()))
    first = redeem(store, token, "nonce-0001")
    second = redeem(store, token, "nonce-0002")
    assert first.outcome is Outcome.ADMITTED
    assert second.outcome is Outcome.ALREADY_REDEEMED
    assert second.redeemed_at == first.at
    assert second.redeemed_gate == GATE
    assert second.pass_id == first.pass_id


def test_the_same_attempt_again_gets_the_same_answer(store: Store, make_event: Make) -> None:
    token = token_of(accept(store, make_event()))
    assert redeem(store, token) == redeem(store, token)


def test_a_nonce_used_for_another_token_is_another_attempt(store: Store, make_event: Make) -> None:
    first, second = (token_of(accept(store, make_event())) for _ in range(2))
    assert redeem(store, first).outcome is Outcome.ADMITTED
    assert redeem(store, second).pass_id != redeem(store, first).pass_id


def test_a_hundred_attempts_at_once_admit_exactly_one(store: Store, make_event: Make) -> None:
    token = token_of(accept(store, make_event()))
    outcomes: list[Outcome] = []

    def attempt(number: int) -> None:
        outcomes.append(redeem(store, token, f"nonce-{number:04}").outcome)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(Outcome.ADMITTED) == 1
    assert outcomes.count(Outcome.ALREADY_REDEEMED) == 99


def test_a_pass_is_for_its_own_gate(store: Store, make_event: Make) -> None:
    token = token_of(accept(store, make_event()))
    assert redeem(store, token, "nonce-0001", OTHER_GATE).outcome is Outcome.WRONG_GATE
    assert redeem(store, token, "nonce-0001", GATE).outcome is Outcome.ADMITTED


def test_an_expired_pass_is_said_to_be_expired(store: Store, make_event: Make) -> None:
    answer = accept(store, make_event())
    assert answer.decision.issued_pass is not None
    late = answer.decision.issued_pass.expires_at
    settled = redeem(store, token_of(answer), at=late)
    assert settled.outcome is Outcome.EXPIRED
    held = store.passes.get(answer.decision.issued_pass.id)
    assert held is not None
    assert held.record(late).status is PassStatus.EXPIRED


def test_a_pass_used_in_time_is_said_to_be_used_even_later(store: Store, make_event: Make) -> None:
    answer = accept(store, make_event())
    redeem(store, token_of(answer))
    late = now() + timedelta(days=1)
    assert redeem(store, token_of(answer), "nonce-0002", at=late).outcome is (
        Outcome.ALREADY_REDEEMED
    )


def test_a_revoked_pass_admits_nobody(store: Store, make_event: Make) -> None:
    answer = accept(store, make_event())
    assert answer.decision.issued_pass is not None
    assert store.passes.revoke(answer.decision.issued_pass.id, now())
    assert redeem(store, token_of(answer)).outcome is Outcome.REVOKED


@pytest.mark.parametrize(
    "scanned",
    [
        "",
        " ",
        "hello",
        "7Kq2mXw9RtB40",  # a zero is not in the alphabet
        "7Kq2mXw9RtB4",
        "7Kq2mXw9RtB4zz",
        "https://gate.example.org/7Kq2mXw9RtB4z",
        "https://gate.example.org/p/",
        "https://[gate/p/7Kq2mXw9RtB4z",
        "WIFI:S:guest;;",
        "７Kq2mXw9RtB4z",
    ],
)
def test_what_is_no_token_is_unknown(store: Store, scanned: str) -> None:
    assert redeem(store, scanned).outcome is Outcome.UNKNOWN


def test_a_token_of_nobody_is_unknown(store: Store) -> None:
    settled = redeem(store, "7Kq2mXw9RtB4z")
    assert settled.outcome is Outcome.UNKNOWN
    assert settled.pass_id is None
