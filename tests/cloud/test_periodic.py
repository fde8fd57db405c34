"""What repeats in the background goes on through every error, and stops when it is told to."""

import threading
from itertools import count

import pytest
from structlog.testing import capture_logs

from cloud import availability, periodic
from cloud.errors import StoreUnavailable
from cloud.periodic import PeriodicTask
from tests.cloud.processes import wait_until

AWAY = StoreUnavailable("the store is away")


class Action:
    """An action that raises the errors that it is given, one at a call, and then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.calls = 0
        self.succeeded = threading.Event()
        self._errors = iter(errors)

    def __call__(self) -> None:
        self.calls += 1
        error = next(self._errors, None)
        if error is not None:
            raise error
        self.succeeded.set()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periodic, "STORE_PAUSE_S", 0.01)
    monkeypatch.setattr(periodic, "ERROR_PAUSE_S", 0.01)


@pytest.fixture
def own_availability(monkeypatch: pytest.MonkeyPatch) -> availability.Availability:
    own = availability.Availability()
    monkeypatch.setattr(availability, "of_the_store", own)
    return own


def test_an_action_is_repeated_until_the_task_is_stopped() -> None:
    action = Action()
    task = PeriodicTask("beat", action, interval_s=0)
    task.start()
    wait_until(lambda: action.calls > 3)
    task.stop()
    calls = action.calls
    assert not any(thread.name == "beat" for thread in threading.enumerate())
    assert action.calls == calls


def test_the_first_call_comes_after_an_interval_or_at_once() -> None:
    late, prompt = Action(), Action()
    tasks = [
        PeriodicTask("late", late, interval_s=3600),
        PeriodicTask("prompt", prompt, interval_s=3600, at_once=True),
    ]
    for task in tasks:
        task.start()
    assert prompt.succeeded.wait(60)
    for task in tasks:
        task.stop()
    assert (late.calls, prompt.calls) == (0, 1)


def test_an_unforeseen_error_is_logged_and_the_action_called_again() -> None:
    action = Action(ZeroDivisionError(), KeyError("x"))
    task = PeriodicTask("beat", action, interval_s=0)
    with capture_logs() as logs:
        task.start()
        assert action.succeeded.wait(60)
        task.stop()
    assert [(line["event"], line["task"]) for line in logs] == [
        ("periodic_task_failed", "beat")
    ] * 2


@pytest.mark.usefixtures("own_availability")
def test_a_store_that_is_away_is_told_once_and_so_is_its_return() -> None:
    action = Action(AWAY, AWAY)
    task = PeriodicTask("beat", action, interval_s=0)
    with capture_logs() as logs:
        task.start()
        wait_until(lambda: action.calls > 3)
        task.stop()
    told = [line["event"] for line in logs if line["log_level"] != "debug"]
    assert told == ["store_away", "store_back"]


@pytest.mark.usefixtures("own_availability")
def test_a_task_that_seldom_asks_the_store_does_not_say_when_the_store_is_back() -> None:
    action = Action(AWAY)
    task = PeriodicTask("beat", action, interval_s=0, tracks_store=False)
    with capture_logs() as logs:
        task.start()
        assert action.succeeded.wait(60)
        task.stop()
    assert [line["event"] for line in logs] == ["store_unavailable"]


def test_the_last_act_follows_the_last_call_and_may_fail() -> None:
    order: list[str] = []
    numbers = count()

    def end() -> None:
        order.append("end")
        raise OSError("no more")

    task = PeriodicTask(
        "beat", lambda: order.append(f"call {next(numbers)}"), interval_s=0, at_end=end
    )
    with capture_logs() as logs:
        task.start()
        wait_until(lambda: len(order) > 2)
        task.stop()
    assert order[-1] == "end"
    assert order.count("end") == 1
    assert [line["event"] for line in logs] == ["periodic_task_failed"]


def test_a_stop_waits_no_longer_than_it_is_told_to() -> None:
    release = threading.Event()
    task = PeriodicTask("stuck", release.wait, interval_s=0, at_once=True)
    task.start()
    task.stop(timeout_s=0.01)
    assert any(thread.name == "stuck" for thread in threading.enumerate())
    release.set()
    task.stop()


def test_a_task_runs_on_the_callers_thread_until_the_event_is_set() -> None:
    stopping = threading.Event()
    threads: list[str] = []

    def act() -> None:
        threads.append(threading.current_thread().name)
        stopping.set()

    PeriodicTask("here", act, interval_s=0, stopping=stopping).run()
    assert threads == [threading.current_thread().name]


def test_a_task_that_was_never_started_can_be_stopped() -> None:
    PeriodicTask("idle", Action(), interval_s=0).stop()
