"""The banner of the newest event, as time goes on."""

from datetime import timedelta

import pytest

from cloud.contract import EventRecord, Label, PassStatus, Refusal, RefusalReason
from dashboard.wording.banner import LATE, Banner, Tone, banner_for
from dashboard.wording.clock import LocalClock
from tests.dashboard.cloud_double import CloudDouble

SHOWN = timedelta(seconds=30)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def double() -> CloudDouble:
    return CloudDouble()  # its records, without its server


def later(event: EventRecord | None, double: CloudDouble, after: timedelta) -> Banner:
    return banner_for(event, LocalClock.of("UTC", double.now() + after), SHOWN)


def test_nothing_ever_seen(double: CloudDouble) -> None:
    banner = later(None, double, timedelta(0))
    assert banner.tone is Tone.WAITING
    assert "Nobody has been seen here yet" in banner.note


@pytest.mark.parametrize("label", [Label.WITHOUT_MASK, Label.INCORRECT_MASK])
def test_a_refusal_tells_what_the_cloud_says_and_then_makes_room(
    double: CloudDouble, label: Label
) -> None:
    event = double.refuse(label=label)
    fresh, old = later(event, double, timedelta(0)), later(event, double, SHOWN + MINUTE)
    assert event.refusal is not None
    assert (fresh.tone, fresh.message) == (Tone.REFUSED, event.refusal.message)
    assert fresh.refusal == event.id
    assert fresh.qr_of is None
    assert (old.tone, old.refusal) == (Tone.WAITING, None)
    assert "refused" in old.note


def test_a_live_pass_stays_until_its_expiry(double: CloudDouble) -> None:
    event = double.grant(lifetime=5 * MINUTE)
    assert event.pass_record is not None
    for after in (timedelta(0), 2 * MINUTE, 5 * MINUTE - timedelta(seconds=2)):
        banner = later(event, double, after)
        assert (banner.tone, banner.qr_of) == (Tone.GRANTED, event.pass_record.id)


def test_an_expired_pass_shows_no_code_even_when_the_cloud_has_not_said_so(
    double: CloudDouble,
) -> None:
    event = double.grant(lifetime=5 * MINUTE)
    over, gone = later(event, double, 5 * MINUTE), later(event, double, 6 * MINUTE)
    assert (over.tone, over.title, over.qr_of) == (Tone.OVER, "Pass expired", None)
    assert gone.tone is Tone.WAITING
    assert "expired" in gone.note


def test_a_redeemed_pass_welcomes_and_then_makes_room(double: CloudDouble) -> None:
    event = double.grant()
    double.end_pass(event, PassStatus.REDEEMED)
    now, afterwards = (later(double.events[0], double, after) for after in (timedelta(0), MINUTE))
    assert (now.tone, now.qr_of) == (Tone.ADMITTED, None)
    assert afterwards.tone is Tone.WAITING


def test_a_revoked_pass_is_said_to_be_so_while_it_would_have_been_valid(
    double: CloudDouble,
) -> None:
    event = double.grant(lifetime=5 * MINUTE)
    double.end_pass(event, PassStatus.REVOKED)
    now, afterwards = (later(double.events[0], double, n * MINUTE) for n in (1, 6))
    assert (now.tone, now.title, now.qr_of) == (Tone.OVER, "Pass revoked", None)
    assert afterwards.tone is Tone.WAITING


@pytest.mark.parametrize("granted", [True, False])
def test_a_late_verdict_is_history_and_its_pass_is_nobodys(
    double: CloudDouble, granted: bool
) -> None:
    event = (double.grant if granted else double.refuse)(late=LATE + MINUTE)
    banner = later(event, double, timedelta(0))
    assert (banner.tone, banner.qr_of, banner.refusal) == (Tone.WAITING, None, None)
    assert "offline" in banner.note


def with_reason(event: EventRecord, reason: RefusalReason) -> EventRecord:
    refusal = Refusal(reason=reason, message="It came too late for a pass.")
    return event.model_copy(update={"refusal": refusal})


def test_a_verdict_that_came_too_late_for_a_short_pass_is_history(double: CloudDouble) -> None:
    event = with_reason(double.refuse(late=timedelta(seconds=20)), RefusalReason.TOO_LATE)
    banner = later(event, double, timedelta(0))
    assert (banner.tone, banner.refusal) == (Tone.WAITING, None)
    assert "came" in banner.note


def test_a_verdict_of_the_future_is_history_and_blames_the_doors_clock(
    double: CloudDouble,
) -> None:
    event = with_reason(double.refuse(late=-timedelta(hours=1)), RefusalReason.CLOCK_AHEAD)
    banner = later(event, double, timedelta(0))
    assert (banner.tone, banner.refusal) == (Tone.WAITING, None)
    assert "the door's clock is ahead" in banner.note


def test_a_mask_at_a_gate_that_was_closed_is_no_refusal_of_who_stands_there_now(
    double: CloudDouble,
) -> None:
    event = with_reason(double.refuse(label=Label.WITH_MASK), RefusalReason.GATE_CLOSED)
    banner = later(event, double, timedelta(0))
    assert (banner.tone, banner.refusal) == (Tone.WAITING, None)
    assert "the gate was closed" in banner.note


def test_a_verdict_is_as_old_as_the_clouds_clock_says(double: CloudDouble) -> None:
    event = double.grant(late=timedelta(hours=5))  # by a door's clock that is five hours behind
    event = event.model_copy(update={"happened_at": event.accepted_at})
    assert later(event, double, timedelta(0)).tone is Tone.GRANTED


def test_a_grant_without_a_pass_sends_people_to_the_staff(double: CloudDouble) -> None:
    event = double.grant().model_copy(update={"pass_record": None})
    banner = later(event, double, timedelta(0))
    assert (banner.tone, banner.qr_of) == (Tone.OVER, None)
