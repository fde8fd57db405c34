"""Mails that wait for a cooldown or for quiet hours, and go out as one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from rq import Retry

from cloud.contract import Channel, Delivery, DeliveryStatus, Event, Gate, Label
from cloud.errors import DeliveryPostponed
from cloud.store import Store, now
from cloud.worker import jobs
from tests.cloud.builders import Clock, Recorder, accept, deliveries, subscribe

Make = Callable[..., Event]


def subscribe_mailbox(store: Store, **more: Any) -> None:
    subscribe(store, Channel.EMAIL, "a@example.org", **more)


def deliver_all(store: Store) -> list[object]:
    return [jobs.deliver(each.id) for each in reversed(deliveries(store))]


def statuses(store: Store) -> list[str]:
    return [each.status.value for each in deliveries(store)]


def pending(store: Store) -> list[Delivery]:
    return [each for each in deliveries(store) if each.status is DeliveryStatus.PENDING]


def test_refusals_within_the_cooldown_are_one_digest(
    store: Store, mail: Recorder, clock: Clock, make_event: Make
) -> None:
    subscribe_mailbox(store, cooldown_s=600)
    accept(store, make_event(Label.WITHOUT_MASK))
    assert deliver_all(store) == [None]
    for label in (Label.WITHOUT_MASK, Label.INCORRECT_MASK, Label.WITHOUT_MASK):
        accept(store, make_event(label))
    later = [each for each in deliver_all(store) if each is not None]
    assert len(later) == 3
    assert all(isinstance(each, Retry) and 590 < each.intervals[0] <= 600 for each in later)
    assert "summed up at" in pending(store)[0].detail
    assert len(mail.sent) == 1

    clock.ahead = timedelta(seconds=601)
    assert deliver_all(store) == [None] * 4
    assert statuses(store) == ["sent"] * 4
    first, digest = mail.sent
    assert first.text.startswith("Refused at Main entrance: no mask")
    assert first.html is not None
    assert digest.text.startswith("3 refusals at Main entrance")
    assert "2 without a mask, 1 with the mask worn wrongly" in digest.text
    assert digest.html is not None
    assert digest.html.count('<tr><td style="border-bottom:1px') == 3


def test_in_quiet_hours_mails_wait_for_their_end(
    store: Store, mail: Recorder, clock: Clock, make_event: Make
) -> None:
    at = now()
    hours = {"start": f"{at:%H:%M}", "end": f"{at + timedelta(hours=2):%H:%M}", "timezone": "UTC"}
    subscribe_mailbox(store, quiet_hours=hours)
    for _ in range(2):
        accept(store, make_event(Label.WITHOUT_MASK))
    assert all(isinstance(each, Retry) for each in deliver_all(store))
    assert mail.sent == []
    assert "quiet hours until" in pending(store)[0].detail
    clock.ahead = timedelta(hours=2, minutes=1)
    deliver_all(store)
    assert len(mail.sent) == 1
    assert statuses(store) == ["sent", "sent"]


def test_a_mail_that_fails_is_tried_again_with_all_that_waits(
    store: Store, mail: Recorder, make_event: Make
) -> None:
    subscribe_mailbox(store)
    for _ in range(2):
        accept(store, make_event(Label.WITHOUT_MASK))
    mail.error = DeliveryPostponed("the mail server is away")
    assert all(isinstance(each, Retry) for each in deliver_all(store))
    assert {each.attempts for each in pending(store)} == {1}
    mail.error = None
    deliver_all(store)
    assert [message.text[:10] for message in mail.sent] == ["2 refusals"]


def test_markup_in_a_gates_name_is_text_in_the_mail(
    store: Store, mail: Recorder, make_event: Make
) -> None:
    name = "<script>alert(1)</script>"
    store.gates.add(Gate(id="evil", name=name, created_at=now()))
    subscribe_mailbox(store, gate="evil")
    accept(store, make_event(Label.WITHOUT_MASK), gate="evil")
    deliver_all(store)
    assert mail.sent[0].html is not None
    assert "<script" not in mail.sent[0].html
    assert "&lt;script&gt;" in mail.sent[0].html
