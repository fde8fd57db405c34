"""A press of an alert's button shows in every chat that got the alert."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from cloud.contract import Channel, DeliveryStatus, Event, Label, Subscriber
from cloud.store import Store, now, subscriber_id
from tests.cloud import door
from tests.cloud.conftest import GATE
from tests.doubles.bot_api import BotApiDouble

CHATS = ("501", "502", "-100503")
TOO_OLD = "Bad Request: query is too old and response timeout expired or query ID is invalid"


@pytest.fixture
def alert(store: Store, make_event: Callable[..., Event]) -> Event:
    """Return an event whose alerts went to three chats."""
    for chat in CHATS:
        store.gates.subscribe(
            Subscriber(
                id=subscriber_id(Channel.TELEGRAM, chat),
                gate=GATE,
                channel=Channel.TELEGRAM,
                address=chat,
                created_at=now(),
            )
        )
    at = now()
    event = make_event(Label.WITHOUT_MASK, first_seen_at=at, occurred_at=at)
    door.accept(
        store,
        event,
        gate=GATE,
        device_id="camera",
        pass_lifetime=timedelta(minutes=5),
        now=now(),
    )
    for number, delivery in enumerate(store.deliveries.of_event(event.id)):
        store.deliveries.settle(
            delivery.id, DeliveryStatus.SENT, now(), message_id=str(9_000 + number)
        )
    return event


def edited(api: BotApiDouble) -> set[str]:
    api.wait_for_edits(3, timeout_s=60)
    assert all("takes care of it" in each.text for each in api.edits)
    return {each.chat_id for each in api.edits}


@pytest.mark.parametrize(
    ("status", "description", "times"),
    [(400, TOO_OLD, 1), (500, "Internal Server Error", 3), (403, "Forbidden", 1)],
)
def test_an_answer_that_fails_keeps_no_alert_from_its_edit(
    chats: BotApiDouble, alert: Event, status: int, description: str, times: int
) -> None:
    chats.refuse_calls("answerCallbackQuery", status, description, times)
    chats.press(501, f"ack:{alert.id}", accessible=False)
    assert edited(chats) == set(CHATS)


def test_an_edit_that_fails_keeps_no_other_from_its_own_and_is_made_later(
    chats: BotApiDouble, store: Store, alert: Event
) -> None:
    waiting = store.waiting_jobs()
    chats.refuse_calls("editMessageText", 400, "Bad Request: message can't be edited")
    chats.refuse_calls("editMessageText", 500, "Internal Server Error", times=3)
    chats.press(502, f"ack:{alert.id}")
    chats.wait_for_edits(1, timeout_s=60)
    # One is gone for good; a worker makes the one that Telegram did not take.
    while store.waiting_jobs() != waiting + 1:
        chats.receive(999, "/help")
        chats.wait_for_messages(len(chats.messages) + 1, timeout_s=60)
    assert store.deliveries.acknowledgement(alert.id) is not None


def test_a_press_in_a_group_is_of_the_person_who_pressed(
    chats: BotApiDouble, store: Store, alert: Event
) -> None:
    chats.press(-100503, f"ack:{alert.id}", person=77)
    assert edited(chats) == set(CHATS)
    (entry,) = store.audit.page()[0]
    assert (entry.actor, entry.act, entry.gate) == ("chat:77", "event.acknowledged", GATE)
    assert entry.subject == f"event:{alert.id}"
    chats.press(501, f"ack:{alert.id}")
    chats.wait_for_edits(6, timeout_s=60)
    assert len(store.audit.page()[0]) == 1


def test_a_press_in_a_group_that_moved_counts_as_the_new_groups(
    chats: BotApiDouble, store: Store, alert: Event
) -> None:
    store.migration.move("-100503", "-100600", now())
    chats.press(-100503, f"ack:{alert.id}", person=77)
    # The alert itself lies in the old group, under its old number.
    assert edited(chats) == set(CHATS)
