"""The tally finds what it is there to find: each test spoils one thing in a run that went well."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from chaos.director import Blow
from chaos.doors import Attempt
from chaos.gathering import mailed
from chaos.plan import Fault
from chaos.tally import Arrival, Evidence, as_line, count
from cloud.contract import (
    Access,
    Channel,
    Delivery,
    DeliveryStatus,
    EventRecord,
    Label,
    Outcome,
    PassRecord,
    PassStatus,
)
from tests.doubles.mail_server import TakenMail

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _event(access: Access) -> EventRecord:
    granted = access is Access.GRANTED
    held = PassRecord(
        id=uuid4(),
        gate="gate-0",
        status=PassStatus.REDEEMED,
        issued_at=NOW,
        expires_at=NOW + timedelta(hours=2),
    )
    return EventRecord.model_validate(
        {
            "id": uuid7(),
            "label": Label.WITH_MASK if granted else Label.WITHOUT_MASK,
            "confidence": 1,
            "votes": 9,
            "first_seen_at": NOW,
            "occurred_at": NOW,
            "gate": "gate-0",
            "device_id": "edge-0",
            "access": access,
            "accepted_at": NOW,
            "pass": held if granted else None,
            "cursor": "1-0",
        }
    )


def _delivery(event: EventRecord, channel: Channel, address: str) -> Delivery:
    return Delivery(
        id=f"{event.id}_{address}",
        event_id=event.id,
        gate="gate-0",
        channel=channel,
        address=address,
        text="words",
        with_qr=event.access is Access.GRANTED,
        status=DeliveryStatus.SENT,
        created_at=NOW,
        settled_at=NOW + timedelta(seconds=1.5),
        subscriber_id="somebody",
    )


GRANTED, REFUSED = _event(Access.GRANTED), _event(Access.REFUSED)
TOKEN = "7Kq2mXw9RtB4z"
PHOTO = ("photo", TOKEN, "100")
ALERT = ("alert", str(REFUSED.id), "200")
MAIL = TakenMail(EmailMessage(), 7.0)
MAIL.mail["To"] = "gate-0@example.org"
MAIL.mail.set_content(f"Refused at Gate 0\n\nEvent:       {REFUSED.id}\n")


def _attempt(outcome: Outcome) -> Attempt:
    return Attempt(TOKEN, uuid4().hex, outcome)


def _all_well() -> Evidence:
    assert GRANTED.pass_record is not None
    return Evidence(
        seen=frozenset({GRANTED.id, REFUSED.id}),
        undelivered=0,
        events=(GRANTED, REFUSED),
        deliveries=(
            _delivery(GRANTED, Channel.TELEGRAM, "100"),
            _delivery(REFUSED, Channel.TELEGRAM, "200"),
            _delivery(REFUSED, Channel.EMAIL, "gate-0@example.org"),
        ),
        passes=1,
        tokens={GRANTED.pass_record.id: TOKEN},
        arrivals={PHOTO: (Arrival(5.0),), ALERT: (Arrival(6.0),)},
        mails=(mailed(MAIL),),
        attempts=(_attempt(Outcome.ADMITTED), _attempt(Outcome.ALREADY_REDEEMED)),
    )


def test_a_run_that_went_well() -> None:
    tally = count(_all_well())
    assert tally.faults == []
    assert (tally.acknowledged, tally.stored, tally.passes) == (2, 2, 1)
    assert (tally.messages_expected, tally.messages_lost, tally.messages_doubled) == (3, 0, 0)
    assert (tally.redeemed_once, tally.redeemed_twice) == (1, 0)
    assert tally.slowest_pass_s == 1.5


def test_a_real_edges_events_count_with_the_others() -> None:
    found = _all_well()
    one_of_them = replace(found, seen=found.seen - {REFUSED.id}, by_edge={"gate-0": 2})
    assert "3 events were acknowledged and 2 are stored" in count(one_of_them).faults
    elsewhere = replace(found, by_edge={"gate-9": 0})
    assert count(elsewhere).faults == []
    unheard_of = replace(found, seen=frozenset({REFUSED.id}), by_edge={"gate-0": 1})
    assert "Redis holds events that no edge has made" in count(unheard_of).faults


def _without(*names: Any) -> Callable[[Evidence], Evidence]:
    return lambda found: replace(
        found, arrivals={key: each for key, each in found.arrivals.items() if key not in names}
    )


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (lambda found: replace(found, events=(GRANTED,)), "2 events were acknowledged and 1"),
        (lambda found: replace(found, seen=frozenset({GRANTED.id})), "no device has seen"),
        (lambda found: replace(found, undelivered=1), "1 events were not delivered"),
        (lambda found: replace(found, passes=2), "2 passes for 1 admitted"),
        (lambda found: replace(found, disagreed=1), "answered with more than one pass"),
        (
            lambda found: replace(
                found, attempts=(_attempt(Outcome.ADMITTED),) * 1 + (_attempt(Outcome.ADMITTED),)
            ),
            "1 passes admitted twice",
        ),
        (lambda found: replace(found, attempts=()), "that arrived admitted nobody"),
        (_without(PHOTO), "1 messages are lost"),
        (_without(ALERT), "1 messages are lost"),
        (lambda found: replace(found, mails=()), "1 messages are lost"),
        (lambda found: replace(found, deliveries=found.deliveries[1:]), "1 messages are lost"),
    ],
)
def test_each_promise_that_is_broken_is_said(
    spoilt: Callable[[Evidence], Evidence], said: str
) -> None:
    assert any(said in each for each in count(spoilt(_all_well())).faults)


def _photographed(*arrivals: Arrival, blows: tuple[Blow, ...] = ()) -> Evidence:
    found = _all_well()
    return replace(found, arrivals={**found.arrivals, PHOTO: arrivals}, blows=blows)


def test_a_message_that_came_twice_for_no_reason_is_said() -> None:
    tally = count(_photographed(Arrival(5.0), Arrival(9.0)))
    assert (tally.messages_doubled, tally.doubled_outside_window) == (1, 1)
    assert any("came twice for no reason" in each for each in tally.faults)


def test_a_lost_answer_explains_one_repetition_and_no_more() -> None:
    lost = Arrival(5.0, answered=False)
    assert count(_photographed(lost, Arrival(9.0))).faults == []
    tally = count(_photographed(lost, Arrival(9.0), Arrival(12.0)))
    assert (tally.messages_doubled, tally.doubled_outside_window) == (2, 1)


def test_a_worker_that_was_killed_in_between_explains_a_repetition() -> None:
    blow = Blow(Fault.KILL, "worker 0", 5.1, 6.0)
    tally = count(_photographed(Arrival(5.0), Arrival(22.1), blows=(blow,)))
    assert (tally.messages_doubled, tally.doubled_outside_window) == (1, 0)
    assert tally.taken_up_again_s == 17.0
    assert json.loads(as_line(tally, seed=1))["doubled_because"] == {"kill worker 0": 1}
    long_before = Blow(Fault.KILL, "worker 0", 1.0, 2.0)
    of_the_bot = Blow(Fault.KILL, "bot", 5.1, 6.0)
    tally = count(_photographed(Arrival(5.0), Arrival(22.1), blows=(long_before, of_the_bot)))
    assert tally.doubled_outside_window == 1


def test_a_message_that_nobody_was_to_get_is_doubled_for_no_reason() -> None:
    found = _all_well()
    strange = {**found.arrivals, ("photo", "unknown", "100"): (Arrival(1.0, answered=False),)}
    assert count(replace(found, arrivals=strange)).doubled_outside_window == 1


def test_mails_that_tell_of_the_same_event_are_doubled() -> None:
    found = _all_well()
    again = replace(found.mails[0], arrival=Arrival(30.0))
    assert count(replace(found, mails=(found.mails[0], again))).doubled_outside_window == 1


def test_a_digest_of_more_than_it_lists_tells_their_number() -> None:
    mail = EmailMessage()
    mail["To"] = "gate-0@example.org"
    listed = "\n".join(str(uuid7()) for _ in range(50))
    mail.set_content(f"53 refusals at Gate 0\n\n53 people were refused at Gate 0:\n\n{listed}\n")
    assert mailed(TakenMail(mail, 1.0)).unnamed == 3
