"""When a delivery is tried again, on a clock that the tests turn; the docs say the same."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from rq import Retry

from cloud.contract import Channel, DeliveryStatus, Event, Label
from cloud.errors import DeliveryPostponed, DeliveryThrottled
from cloud.notify.channels import CHANNELS, SOON_S
from cloud.store import Store, keyspace
from cloud.worker import jobs, retries
from cloud.worker.context import JobContext
from tests.cloud.builders import Clock, Recorder, accept, only, subscribe
from tests.cloud.conftest import GATE

Make = Callable[..., Event]

PEOPLE = Path(__file__).parents[3] / "docs" / "people.md"

ADDRESSES = {
    Channel.TELEGRAM: "42",
    Channel.EMAIL: "guard@example.org",
    Channel.WEBHOOK: "https://hooks.example.org/",
}


class Other:
    """The other side, which puts off what it is sent; and the time that the tries took."""

    def __init__(self, store: Store, channel: Channel, make_event: Make) -> None:
        self.store = store
        self.notifier = Recorder()
        self.clock = Clock()
        self.waits: list[int] = []
        jobs.set_context(JobContext(store, {channel: self.notifier}, None, self.clock))
        subscriber = subscribe(store, channel, ADDRESSES[channel])
        store.webhook_secrets.add(GATE, subscriber.id, "whsec_AAAA")
        accept(store, make_event(Label.WITHOUT_MASK))

    def puts_off(self, *errors: Exception) -> None:
        """Answer one try with each, and let the time pass until the next."""
        for error in errors:
            self.notifier.error = error
            again = jobs.deliver(only(self.store).id)
            if again is None:
                return
            assert isinstance(again, Retry)
            self.waits.append(again.intervals[0])
            self.clock.ahead += timedelta(seconds=again.intervals[0])
            # What holds a chat goes by the clock of Redis, which stands still meanwhile.
            self.store.client.delete(keyspace.TELEGRAM_CHAT_HOLDS, keyspace.telegram_chat("42"))

    def puts_off_to_the_end(self, error: Exception) -> None:
        while only(self.store).status is DeliveryStatus.PENDING:
            assert len(self.waits) < 10_000
            self.puts_off(error)


@pytest.fixture(params=list(Channel))
def channel(request: pytest.FixtureRequest) -> Channel:
    kind: Channel = request.param
    return kind


@pytest.fixture
def other(store: Store, channel: Channel, make_event: Make) -> Other:
    return Other(store, channel, make_event)


def test_the_schedule_is_the_one_that_the_docs_promise(other: Other, channel: Channel) -> None:
    other.puts_off_to_the_end(DeliveryPostponed("away"))
    delivery = only(other.store)
    assert delivery.status is DeliveryStatus.FAILED
    promised = {
        Channel.TELEGRAM: (9, "8 min 53 s"),
        Channel.WEBHOOK: (9, "8 min 53 s"),
        Channel.EMAIL: (10, "4 h 7 min 35 s"),
    }
    tries, length = promised[channel]
    assert delivery.attempts == tries
    assert delivery.detail == f"given up after {tries} tries: away"
    hours, rest = divmod(sum(other.waits), 3600)
    minutes, seconds = divmod(rest, 60)
    assert length == (f"{hours} h " if hours else "") + f"{minutes} min {seconds} s"
    row = f"| {channel.value} | {tries} | {length} |"
    assert row in PEOPLE.read_text(), row


@pytest.mark.parametrize(("asked", "total"), [(3, 538), (20, 594), (120, 1147)])
def test_a_wait_that_is_asked_for_lengthens_the_schedule_and_never_shortens_it(
    store: Store, make_event: Make, asked: int, total: int
) -> None:
    other = Other(store, Channel.WEBHOOK, make_event)
    other.puts_off_to_the_end(DeliveryPostponed("the webhook answered 503", asked))
    assert only(store).attempts == len(SOON_S) + 1
    assert other.waits == [max(asked + 1, each) for each in SOON_S]
    assert sum(other.waits) == total


def test_a_429_costs_no_try(other: Other, channel: Channel) -> None:
    other.puts_off(*[DeliveryThrottled("429", 17)] * 30)
    delivery = only(other.store)
    assert delivery.status is DeliveryStatus.PENDING
    assert (delivery.attempts, delivery.throttled) == (30, 30)
    assert set(other.waits) == {18}
    tries = len(CHANNELS[channel].retry_waits_s)
    other.puts_off(*[DeliveryPostponed("away")] * tries)
    assert only(other.store).status is DeliveryStatus.PENDING
    other.puts_off(DeliveryPostponed("away"))
    assert only(other.store).status is DeliveryStatus.FAILED
    assert only(other.store).detail == f"given up after {tries + 1} tries: away"


def test_a_429_that_goes_on_is_given_up_a_day_after_the_first_try(other: Other) -> None:
    other.puts_off_to_the_end(DeliveryThrottled("429", 600))
    delivery = only(other.store)
    assert delivery.detail == "given up 24 hours after the first try: 429"
    day = retries.GIVEN_UP_AFTER.total_seconds()
    assert day <= sum(other.waits) <= day + 601


def test_a_429_that_does_not_say_how_long_is_waited_out_all_the_same(other: Other) -> None:
    other.puts_off(DeliveryThrottled("429"))
    assert other.waits == [retries.THROTTLED_WAIT_S]


@pytest.mark.parametrize(("asked", "wait"), [(1e6, 21_600), (-4.0, 1), (0.0, 1), (0.2, 1)])
def test_an_absurd_wait_is_cut_or_ignored(
    store: Store, make_event: Make, asked: float, wait: int
) -> None:
    other = Other(store, Channel.WEBHOOK, make_event)
    other.puts_off(DeliveryPostponed("503", asked))
    other.puts_off(DeliveryThrottled("429", asked))
    assert other.waits == [wait, wait]


def test_the_wait_of_a_chat_is_shown_in_its_delivery(store: Store, make_event: Make) -> None:
    other = Other(store, Channel.TELEGRAM, make_event)
    other.notifier.error = DeliveryThrottled("Telegram asks to wait 3600 s", 3600)
    jobs.deliver(only(store).id)
    assert "this chat waits until" in only(store).detail
    # A second message to the chat waits for the limiter, and says why as well.
    accept(store, make_event(Label.WITHOUT_MASK))
    (second, _), _ = store.deliveries.page(gate=None, status=None, before=None, limit=2)
    again = jobs.deliver(second.id)
    assert isinstance(again, Retry)
    assert again.intervals[0] > 3500
    held = store.deliveries.get(second.id)
    assert held is not None
    assert held.detail.startswith("this chat waits until")
    assert held.attempts == 0


def test_a_delivery_sent_again_by_hand_has_all_its_tries_and_a_day_of_its_own(other: Other) -> None:
    other.puts_off_to_the_end(DeliveryThrottled("429", 6_000))
    other.store.deliveries.resend(only(other.store).id)
    again = only(other.store)
    assert (again.attempts, again.throttled, again.first_attempt_at) == (0, 0, None)
    other.puts_off(DeliveryThrottled("429", 6_000))
    assert only(other.store).status is DeliveryStatus.PENDING
