"""Taking charge of an event over the API, and what the alerts in Telegram then say."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from rq import Retry

from cloud.bot.answering.chat_request import ChatRequest
from cloud.bot.answering.conversation import Conversation
from cloud.contract import Channel, Event, Label, Language, Role, Subscriber
from cloud.errors import DeliveryImpossible, DeliveryThrottled
from cloud.notify.alerts import ACKNOWLEDGE
from cloud.notify.telegram import TelegramNotifier
from cloud.store import Store, now, subscriber_id
from cloud.worker import jobs
from cloud.worker.context import JobContext
from tests.cloud.api.routes.test_events import code_of
from tests.cloud.builders import Recorder, accept
from tests.cloud.conftest import GATE, OTHER_GATE, Login
from tests.doubles.bot_api import BotApiDouble

Make = Callable[..., Event]


@pytest.fixture
def api(store: Store) -> Iterator[BotApiDouble]:
    with BotApiDouble() as double:
        notifier = TelegramNotifier(double.token, double.url, answer_timeout_s=60)
        jobs.set_context(JobContext(store, {Channel.TELEGRAM: notifier}, None, editor=notifier))
        yield double
        notifier.close()


@pytest.fixture
def refused(store: Store, make_event: Make) -> Event:
    """A refusal that two chats are told of, which speak two languages."""
    for chat, language in (("42", Language.EN), ("43", Language.ES)):
        store.gates.subscribe(
            Subscriber(
                id=subscriber_id(Channel.TELEGRAM, chat),
                gate=GATE,
                channel=Channel.TELEGRAM,
                address=chat,
                language=language,
                created_at=now(),
            )
        )
    event = make_event(Label.WITHOUT_MASK)
    accept(store, event)
    return event


def taken(client: httpx.Client, event: Event) -> httpx.Response:
    return client.post(f"/v1/events/{event.id}/acknowledge")


def deliver_all(store: Store, event: Event) -> None:
    for delivery in store.deliveries.of_event(event.id):
        assert jobs.deliver(delivery.id) is None


def show(store: Store, event: Event) -> Retry | None:
    """Do the job that is queued."""
    assert f"show-acknowledgement-{event.id}" in store.queue.get_job_ids()
    return jobs.show_acknowledgement(str(event.id))


def test_the_first_who_acts_is_kept_and_the_alerts_say_so(
    store: Store, api: BotApiDouble, refused: Event, operator: httpx.Client, login: Login
) -> None:
    deliver_all(store, refused)
    answer = taken(operator, refused)
    assert answer.status_code == 200
    first = answer.json()
    assert (first["event_id"], first["acknowledged_by"]) == (str(refused.id), "a operator")
    assert taken(login(Role.ADMIN), refused).json() == first

    assert show(store, refused) is None
    edits = {edit.chat_id: edit.text for edit in api.edits}
    assert "a operator takes care of it" in edits["42"]
    assert "no mask" in edits["42"]
    assert "a operator se ocupa" in edits["43"]
    listed = operator.get("/v1/deliveries", params={"event": str(refused.id)}).json()["items"]
    assert len(listed) == 2
    for item in listed:
        assert item["acknowledged_by"] == "a operator"
        assert item["acknowledged_at"] == first["acknowledged_at"]
    entries = login(Role.ADMIN).get("/v1/audit", params={"act": "event.acknowledged"}).json()
    (entry,) = entries["items"]
    assert entry["subject"] == f"event:{refused.id}"


def test_the_button_and_the_api_know_of_each_other(
    store: Store, api: BotApiDouble, refused: Event, operator: httpx.Client
) -> None:
    deliver_all(store, refused)
    jobs_before = store.waiting_jobs()
    conversation = Conversation(store, timedelta(minutes=10), timedelta(minutes=5))
    request = ChatRequest("42", "Ada", "en", True, 1, "", "")
    conversation.acknowledge(request, f"{ACKNOWLEDGE}{refused.id}")
    assert taken(operator, refused).json()["acknowledged_by"] == "Ada"
    assert store.waiting_jobs() == jobs_before
    assert api.edits == []


def test_an_alert_that_is_sent_later_says_who_takes_care_and_has_no_button(
    store: Store, api: BotApiDouble, refused: Event, operator: httpx.Client
) -> None:
    taken(operator, refused)
    show(store, refused)
    deliver_all(store, refused)
    texts = {message.chat_id: message for message in api.messages}
    assert "a operator takes care of it" in texts["42"].text
    assert texts["42"].reply_markup == ""
    assert api.edits == []


class Editor:
    """Keeps the edits, or raises for a chat what a test says."""

    def __init__(self) -> None:
        self.errors: dict[str, Exception] = {}
        self.edited: list[str] = []

    def edit(self, address: str, message_id: int, text: str) -> None:
        assert message_id > 0
        assert "takes care" in text or "se ocupa" in text
        if address in self.errors:
            raise self.errors[address]
        self.edited.append(address)


def test_an_edit_that_is_put_off_is_made_later_and_one_refused_stops_no_other(
    store: Store, refused: Event, operator: httpx.Client
) -> None:
    editor = Editor()
    jobs.set_context(JobContext(store, {Channel.TELEGRAM: Recorder()}, None, editor=editor))
    deliver_all(store, refused)
    taken(operator, refused)
    editor.errors = {"42": DeliveryThrottled("429", 7), "43": DeliveryThrottled("429", 7)}
    again = show(store, refused)
    assert isinstance(again, Retry)
    assert again.intervals == [8]
    editor.errors = {"42": DeliveryImpossible("message to edit not found")}
    assert jobs.show_acknowledgement(str(refused.id)) is None
    assert editor.edited == ["43"]


def test_what_is_unknown_or_not_theirs_is_refused(
    refused: Event, operator: httpx.Client, login: Login
) -> None:
    assert code_of(operator.post(f"/v1/events/{uuid4()}/acknowledge")) == "event_unknown"
    assert code_of(taken(login(Role.OPERATOR, OTHER_GATE), refused)) == "gate_forbidden"
    assert code_of(taken(login(Role.VIEWER), refused)) == "role_forbidden"


def test_a_job_about_nothing_does_nothing(store: Store, api: BotApiDouble) -> None:
    assert jobs.show_acknowledgement(str(uuid4())) is None
    assert api.calls == []
