"""The rows of the tables of events and messages."""

from datetime import timedelta

import pytest

from cloud.contract import DeliveryStatus, PassStatus, Refusal, RefusalReason
from dashboard.wording.clock import LocalClock
from dashboard.wording.tables import event_row, how_many, pass_words, remarks_on
from tests.dashboard.cloud_double import CloudDouble

MINUTE = timedelta(minutes=1)


@pytest.fixture
def double() -> CloudDouble:
    return CloudDouble()


@pytest.mark.parametrize(
    ("status", "after", "words"),
    [
        (PassStatus.ISSUED, MINUTE, "Valid until "),
        (PassStatus.ISSUED, 6 * MINUTE, "Expired "),
        (PassStatus.EXPIRED, 6 * MINUTE, "Expired "),
        (PassStatus.REDEEMED, MINUTE, "Used "),
        (PassStatus.REVOKED, MINUTE, "Revoked"),
    ],
)
def test_a_pass_in_words(
    double: CloudDouble, status: PassStatus, after: timedelta, words: str
) -> None:
    event = double.grant(lifetime=5 * MINUTE)
    if status is not PassStatus.ISSUED:
        double.end_pass(event, status)
    clock = LocalClock.of("UTC", double.now() + after)
    assert pass_words(double.events[0].pass_record, clock).startswith(words)


def test_no_pass_is_a_dash(double: CloudDouble) -> None:
    assert pass_words(None, LocalClock.of("UTC", double.now())) == "–"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (RefusalReason.NO_MASK, ""),
        (RefusalReason.TOO_LATE, "it came too late"),
        (RefusalReason.CLOCK_AHEAD, "the door's clock is ahead"),
        (RefusalReason.GATE_CLOSED, "the gate was closed"),
        ("gate_is_painted", "gate is painted"),
    ],
)
def test_a_refusal_says_why_where_the_verdict_does_not(
    double: CloudDouble, reason: str, words: str
) -> None:
    event = double.refuse().model_copy(update={"refusal": Refusal(reason=reason, message="No.")})
    assert event_row(event, LocalClock.of("UTC", double.now()))["why"] == words


@pytest.mark.parametrize(
    ("late", "shown"),
    [(timedelta(seconds=1), False), (3 * MINUTE, True), (-3 * MINUTE, True)],
)
def test_an_event_of_another_moment_shows_both_times(
    double: CloudDouble, late: timedelta, shown: bool
) -> None:
    row = event_row(double.refuse(late=late), LocalClock.of("UTC", double.now()))
    assert bool(row["accepted"]) is shown


def test_what_was_sent_needs_no_remark(double: CloudDouble) -> None:
    double.deliver(double.grant())
    assert remarks_on(double.deliveries) == []


def test_faults_come_before_choices_and_both_are_counted(double: CloudDouble) -> None:
    event = double.grant()
    for status in (
        DeliveryStatus.UNDELIVERED_BY_CHOICE,
        DeliveryStatus.FAILED,
        DeliveryStatus.UNDELIVERED_BY_CHOICE,
    ):
        double.deliver(event, status=status)
    (bad, fault), (choice, kept) = remarks_on(double.deliveries)
    assert (bad, choice) == ("bad", "choice")
    assert fault.startswith("1 message was not sent because of a fault")
    assert kept.startswith("2 messages were not sent, by choice")


@pytest.mark.parametrize(
    ("count", "more", "words"),
    [
        (1, False, "1 event. Times are in UTC."),
        (7, False, "7 events. Times are in UTC."),
        (50, True, "The newest 50 events; there are older ones. Times are in UTC."),
    ],
)
def test_how_many(double: CloudDouble, count: int, more: bool, words: str) -> None:
    assert how_many(count, "event", more, LocalClock.of("UTC", double.now())) == words
