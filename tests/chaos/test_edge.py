import random
from pathlib import Path

import pytest

from chaos import edge
from chaos.edge import CloudDouble, Tally
from tests.edge.delivery.test_outbox import event


def test_an_edge_that_is_killed_again_and_again_loses_nothing(tmp_path: Path) -> None:
    tally = edge.strike(tmp_path, 4, random.Random(3))
    assert tally.kills == 4
    assert tally.is_good, tally
    assert tally.arrived == tally.made


@pytest.mark.parametrize("fault", [{"lost": 1}, {"out_of_order": 1}, {"damaged": 1}, {"made": 0}])
def test_a_fault_makes_the_tally_bad(fault: dict[str, int]) -> None:
    good = {"kills": 9, "made": 5, "arrived": 5}
    assert Tally(**good).is_good
    assert not Tally(**{**good, **fault}).is_good


def test_the_double_counts_an_event_that_comes_again_once() -> None:
    double = CloudDouble(random.Random(1), is_kind=True)
    body = event().model_dump_json().encode()
    for _ in range(3):
        answer = double.answer("/v1/events", body)
        assert answer is not None
        assert answer[0] == 201
    assert (len(double.ids), double.repeated) == (1, 2)
