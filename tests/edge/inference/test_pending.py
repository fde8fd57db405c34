import pytest

from edge.errors import ModelUnfitError
from edge.inference.pending import Pending


def test_the_answer_is_computed_once_and_each_step_when_it_is_asked_for() -> None:
    calls: list[str] = []

    def finish() -> int:
        calls.append("finish")
        return 20

    pending = Pending(finish)
    doubled = pending.then(lambda number: number * 2 + len(calls))
    assert calls == []
    assert (doubled.result(), pending.result(), doubled.result()) == (41, 20, 41)
    assert calls == ["finish"]


def test_a_failure_is_raised_where_the_answer_is_asked_for() -> None:
    def fail() -> int:
        raise ModelUnfitError("no")

    pending = Pending(fail).then(str)
    for _ in range(2):
        with pytest.raises(ModelUnfitError):
            pending.result()
