"""People in front of a door, drawn and simulated: each gets the verdict that they should."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.contract import Label
from tests.edge.tracking.simulation import (
    HEIGHT,
    WIDTH,
    Person,
    labels,
    simulate,
    stand,
    walk,
    wears,
)

WITH, WITHOUT, WRONGLY = Label.WITH_MASK, Label.WITHOUT_MASK, Label.INCORRECT_MASK
RATES = (5, 10, 15, 30)
PAIRS = [(WITH, WITHOUT), (WITHOUT, WITHOUT), (WITH, WITH), (WITHOUT, WITH)]


@pytest.mark.parametrize("fps", [5, 15])
@pytest.mark.parametrize("gap", [0.3, 0.7, 1.4, 2.0])
@pytest.mark.parametrize("pair", PAIRS)
def test_the_next_person_on_the_same_spot_has_a_verdict_of_their_own(
    pair: tuple[Label, Label], gap: float, fps: int
) -> None:
    first = Person(stand(320, 180, 90, 0, 2.5), wears(pair[0]), outfit=0)
    second = Person(stand(326, 188, 88, 2.5 + gap, 5 + gap), wears(pair[1]), outfit=1)
    one, two = simulate([first, second], seconds=5.5 + gap, fps=fps)
    assert (labels(one), labels(two)) == ([pair[0]], [pair[1]])


@pytest.mark.parametrize("fps", [5, 15])
@pytest.mark.parametrize("away", [1.0, 2.0, 3.0, 4.0])
@pytest.mark.parametrize("label", [WITH, WITHOUT])
def test_who_is_hidden_for_some_seconds_gets_no_second_verdict(
    label: Label, away: float, fps: int
) -> None:
    someone = Person(stand(320, 180, 80), wears(label), hidden=lambda t: 2.0 <= t < 2.0 + away)
    (verdicts,) = simulate([someone], seconds=5 + away, fps=fps)
    assert labels(verdicts) == [label]


@pytest.mark.parametrize("fps", [5, 15])
@pytest.mark.parametrize("angle", [0, 15, 30, 50])
@pytest.mark.parametrize("pair", PAIRS)
def test_two_who_cross_get_a_verdict_each(pair: tuple[Label, Label], angle: int, fps: int) -> None:
    slope = math.tan(math.radians(angle))
    down = 2.8 * slope
    middle = 230
    left = walk((0, middle - down * 55 * 2), (2.8, down), 55)
    right = walk((WIDTH, middle + down * 62 * 2), (-2.5, -down), 62)
    people = [Person(left, wears(pair[0]), outfit=0), Person(right, wears(pair[1]), outfit=2)]
    one, two = simulate(people, seconds=4.2, fps=fps)
    assert (labels(one), labels(two)) == ([pair[0]], [pair[1]])


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize(
    ("width", "speed"), [(90, 2.7), (90, 5.3), (60, 5.3), (40, 5.3), (40, 8.7)]
)
@pytest.mark.parametrize("label", [WITH, WITHOUT])
def test_who_walks_past_gets_a_verdict_at_every_frame_rate(
    label: Label, width: int, speed: float, fps: int
) -> None:
    path = walk((-width, 190), (speed, 0.0), width, begin=0.2)
    (verdicts,) = simulate([Person(path, wears(label))], seconds=6, fps=fps)
    assert labels(verdicts) == [label]


@pytest.mark.parametrize("fps", RATES)
def test_six_in_a_group_get_a_verdict_each_though_four_are_judged_in_a_frame(fps: int) -> None:
    people = [
        Person(
            stand(110 + 200 * (n % 3), 110 + 190 * (n // 3), 44 + 2 * n),
            wears((WITH, WITHOUT, WRONGLY)[n % 3]),
            outfit=n,
        )
        for n in range(6)
    ]
    verdicts = simulate(people, seconds=6, fps=fps, max_faces=4)
    assert [labels(each) for each in verdicts] == [[WITH], [WITHOUT], [WRONGLY]] * 2
    slowest = max(each[0].occurred_at for each in verdicts) - min(
        each[0].first_seen_at for each in verdicts
    )
    assert slowest.total_seconds() < 1.6


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("label", [WITH, WITHOUT])
def test_a_tailgater_has_a_verdict_of_their_own(label: Label, fps: int) -> None:
    def follow(t: float) -> tuple[float, float, float] | None:
        return (min(120 + 70 * t, 250) + 140 * min(max(t - 2.6, 0), 0.5), 170, 72)

    def first(t: float) -> tuple[float, float, float] | None:
        return (320 + 420 * max(t - 2.5, 0), 180, 90)

    people = [Person(first, wears(WITH), outfit=3), Person(follow, wears(label), outfit=5)]
    one, two = simulate(people, seconds=5.5, fps=fps)
    assert (labels(one), labels(two)) == ([WITH], [label])


@pytest.mark.parametrize("fps", RATES)
def test_a_mask_that_goes_on_after_the_refusal_admits_within_half_a_second(fps: int) -> None:
    someone = Person(stand(320, 180, 80), wears(WITHOUT, (2.0, WITH)))
    ((refused, admitted),) = simulate([someone], seconds=5, fps=fps)
    assert (refused.label, admitted.label) == (WITHOUT, WITH)
    assert 2.2 <= (admitted.occurred_at - refused.first_seen_at).total_seconds() <= 2.8


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("label", [WITHOUT, WRONGLY])
def test_a_mask_that_comes_off_after_the_pass_is_an_event(label: Label, fps: int) -> None:
    someone = Person(stand(320, 180, 80), wears(WITH, (2.0, label)))
    (verdicts,) = simulate([someone], seconds=6, fps=fps)
    assert labels(verdicts) == [WITH, label]


@settings(max_examples=25, deadline=None)
@given(
    label=st.sampled_from(list(Label)),
    fps=st.sampled_from(RATES),
    width=st.integers(30, 130),
    x=st.integers(150, WIDTH - 150),
    y=st.integers(140, HEIGHT - 200),
    outfit=st.integers(0, 5),
    seed=st.integers(0, 10_000),
)
def test_who_is_seen_well_for_two_seconds_gets_the_one_right_verdict(
    label: Label, fps: int, width: int, x: int, y: int, outfit: int, seed: int
) -> None:
    someone = Person(stand(x, y, width, 0.3, 6), wears(label), outfit=outfit)
    (verdicts,) = simulate([someone], seconds=7, fps=fps, seed=seed)
    assert labels(verdicts) == [label]
    assert (verdicts[0].occurred_at - verdicts[0].first_seen_at).total_seconds() <= 1.7
