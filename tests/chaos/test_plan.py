from collections import Counter

import pytest

from chaos import plan
from chaos.plan import Fault, Scale


def test_the_same_seed_makes_the_same_plan_and_another_seed_another() -> None:
    assert plan.make(7, Scale(rounds=2)) == plan.make(7, Scale(rounds=2))
    assert plan.make(7, Scale()) != plan.make(8, Scale())


@pytest.mark.parametrize("rounds", [1, 3])
def test_every_round_goes_through_every_fault(rounds: int) -> None:
    made = plan.make(1, Scale(rounds=rounds, kills=2))
    struck = Counter(each.fault for each in made.strikes)
    assert set(struck) == set(Fault)
    assert struck[Fault.PAUSE] == rounds
    killed = Counter(
        each.target.partition(" ")[0] for each in made.strikes if each.fault is Fault.KILL
    )
    assert killed == dict.fromkeys(("api", "worker", "bot", "redis", "edge", "camera"), 2 * rounds)


def test_no_camera_is_killed_where_there_is_none() -> None:
    made = plan.make(1, Scale(camera=False))
    assert "camera" not in {each.target for each in made.strikes}


def test_faults_strike_in_order_while_events_are_delivered() -> None:
    made = plan.make(3, Scale(rounds=2, events=100))
    places = [each.at for each in made.strikes]
    assert places == sorted(places)
    assert min(places) >= 10
    assert max(places) < 200


def test_all_devices_see_all_events_and_one_clock_is_an_hour_off() -> None:
    made = plan.make(5, Scale(events=1000, devices=5))
    assert made.events == 1000
    assert [len(each) for each in made.orders] == [200] * 5
    off = {abs(order.clock_off_s) for each in made.orders for order in each}
    assert off == {0.0, plan.CLOCK_OFF_S}
    wrong = [each for each in made.orders if any(order.clock_off_s for order in each)]
    assert len(wrong) == 1


def test_some_events_are_sent_twenty_times_at_once() -> None:
    made = plan.make(5, Scale())
    copies = Counter(order.copies for each in made.orders for order in each)
    assert set(copies) == {0, 20}
    assert 1 <= copies[20] <= plan.BURSTS


def test_targets_are_parts_of_the_world() -> None:
    scale = Scale(rounds=4, workers=2, devices=3)
    parts = {
        "api",
        "bot",
        "redis",
        "camera",
        *("worker 0", "worker 1"),
        *("edge 0", "edge 1", "edge 2"),
    }
    aimed = {
        each.target
        for each in plan.make(2, scale).strikes
        if each.fault in {Fault.KILL, Fault.PAUSE}
    }
    assert aimed <= parts
