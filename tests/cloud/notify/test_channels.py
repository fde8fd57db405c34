"""The table of channels: it is complete, and a channel is what its row says."""

from collections.abc import Callable, MutableMapping
from typing import cast

import httpx
import pytest
from pydantic import SecretStr
from rq import Retry

from cloud.contract import Access, Channel, DeliveryStatus, Event, Label, Language, Topic
from cloud.errors import DeliveryImpossible, DeliveryPostponed
from cloud.notify import rendering
from cloud.notify.channels import (
    CHANNELS,
    Body,
    ChannelSpec,
    QueueName,
    SendingRule,
    notifiers,
)
from cloud.settings import Settings
from cloud.store import Store
from cloud.worker import jobs
from cloud.worker.context import JobContext
from tests.cloud.builders import Recorder, accept, only
from tests.cloud.conftest import GATE


def test_every_channel_has_a_row() -> None:
    assert set(CHANNELS) == set(Channel)


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("channel", list(Channel))
def test_every_template_of_a_row_is_there_in_every_language(
    channel: Channel, language: Language
) -> None:
    for name in filter(None, CHANNELS[channel].templates.values()):
        rendering.TEXTS.get_template(f"{language.value}/{name}")


@pytest.mark.parametrize("channel", list(Channel))
def test_people_are_offered_only_topics_that_have_a_text(channel: Channel) -> None:
    row = CHANNELS[channel]
    assert row.topics >= {Topic.PASS, Topic.REFUSAL}
    if row.body is Body.TEXT:
        assert row.templates
        assert row.topics <= {Topic.PASS, Topic.REFUSAL, Topic.DEVICE}
    else:
        assert not row.templates


def test_notifiers_are_made_of_the_channels_that_are_configured() -> None:
    settings = Settings(smtp_host=None, telegram_token=None)
    made = notifiers(settings)
    assert set(made) == {Channel.WEBHOOK}
    made |= notifiers(
        settings.model_copy(
            update={"smtp_host": "mail.example.org", "telegram_token": SecretStr("1:a")}
        )
    )
    assert set(made) == set(Channel)
    for notifier in made.values():
        notifier.close()


def check_number(address: str, _settings: Settings) -> None:
    if not address.startswith("+"):
        raise DeliveryImpossible("give a number with its country code, as +34600000000")


@pytest.fixture
def sms(monkeypatch: pytest.MonkeyPatch) -> ChannelSpec:
    """A channel of text messages, made up, in the row of webhooks."""
    row = ChannelSpec(
        notifier=lambda _: Recorder(),
        unconfigured="nobody sends text messages",
        check_address=check_number,
        queue=QueueName.MAIN,
        rule=SendingRule.AT_ONCE,
        retry_waits_s=(7,),
        body=Body.TEXT,
        topics=frozenset({Topic.PASS, Topic.REFUSAL}),
        templates={Access.REFUSED: "refusal.email.txt"},
    )
    table = cast(MutableMapping[Channel, ChannelSpec], CHANNELS)
    monkeypatch.setitem(table, Channel.WEBHOOK, row)
    return row


@pytest.mark.usefixtures("sms")
def test_a_new_channel_needs_no_more_than_a_row(
    operator: httpx.Client, store: Store, make_event: Callable[..., Event]
) -> None:
    subscribers = f"/v1/gates/{GATE}/subscribers"
    body = {"channel": "webhook", "address": "600000000"}
    refused = operator.post(subscribers, json=body)
    assert refused.status_code == 422
    assert "country code" in refused.text
    made = operator.post(subscribers, json={**body, "address": "+34600000000"})
    assert made.status_code == 201
    assert made.json().get("secret") is None

    accept(store, make_event(Label.WITHOUT_MASK))
    assert store.queue.job_ids == [f"deliver-{only(store).id}"]
    assert store.slow_queue.job_ids == []

    recorder = Recorder()
    jobs.set_context(JobContext(store, {Channel.WEBHOOK: recorder}, None))
    recorder.error = DeliveryPostponed("away")
    again = jobs.deliver(only(store).id)
    assert isinstance(again, Retry)
    assert again.intervals == [7]
    recorder.error = None
    assert jobs.deliver(only(store).id) is None
    (message,) = recorder.sent
    assert message.text.startswith("Refused at Main entrance")
    assert message.secrets == ()
    assert only(store).status is DeliveryStatus.SENT
