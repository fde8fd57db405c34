"""Answers that are waited for only so long."""

import threading
from collections.abc import Iterator

import pytest

from cloud.single_flight import SingleFlight

PATIENCE_S = 60.0


def test_whoever_asks_gets_an_answer_of_now() -> None:
    answers = iter([1, 2])
    asking = SingleFlight(lambda: next(answers), PATIENCE_S)
    assert [asking.result(), asking.result()] == [1, 2]


def test_an_answer_that_does_not_come_is_waited_for_only_so_long_and_asked_for_once() -> None:
    come = threading.Event()
    asked: list[int] = []

    def ask() -> str:
        asked.append(1)
        assert come.wait(PATIENCE_S)
        return "here"

    asking = SingleFlight(ask, 0.01)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            asking.result()
    assert len(asked) == 1
    come.set()
    patient = SingleFlight(ask, PATIENCE_S)
    assert patient.result() == "here"


def test_what_asking_raises_is_raised_to_the_caller_and_the_next_asks_anew() -> None:
    answers: Iterator[ValueError | str] = iter([ValueError("no"), "yes"])

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    asking = SingleFlight(ask, PATIENCE_S)
    with pytest.raises(ValueError, match="no"):
        asking.result()
    assert asking.result() == "yes"
