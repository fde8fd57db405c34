"""The jobs of a worker in the test's own process, with notifiers that keep what they are given."""

import pytest

from cloud.contract import Channel
from cloud.store import Store
from cloud.worker import jobs
from cloud.worker.context import JobContext
from tests.cloud.builders import Clock, Recorder


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def telegram(store: Store, clock: Clock) -> Recorder:
    """The notifier of Telegram; no other channel is configured."""
    recorder = Recorder()
    jobs.set_context(JobContext(store, {Channel.TELEGRAM: recorder}, None, clock))
    return recorder


@pytest.fixture
def mail(store: Store, clock: Clock) -> Recorder:
    """The notifier of mail; no other channel is configured."""
    recorder = Recorder()
    jobs.set_context(JobContext(store, {Channel.EMAIL: recorder}, None, clock))
    return recorder
