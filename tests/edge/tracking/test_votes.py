"""Votes: what labels agree on, and how much each of them weighs."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.contract import Label
from edge.tracking.votes import (
    GOOD_SIZE,
    LEAST_QUALITY,
    REFUSALS,
    Tally,
    Vote,
    VotingRules,
    quality_of,
    shares_of,
    sharpness_of,
)
from edge.values import Box

WITH, WITHOUT, WRONGLY = Label.WITH_MASK, Label.WITHOUT_MASK, Label.INCORRECT_MASK
RULES = VotingRules(votes=5, majority=0.7, certain_threshold=0.5)
LARGE = Box(100, 100, 200, 200)


def tally(*labels: Label, fps: float = 10, score: float = 0.9) -> Tally:
    counted = Tally(RULES)
    for n, label in enumerate(labels):
        counted.add(Vote(label, 0.9, score, n / fps))
    return counted


@pytest.mark.parametrize(
    ("labels", "fps", "agreed"),
    [
        ([WITH] * 4, 10, None),
        ([WITH] * 5, 10, WITH),
        ([WITH] * 4 + [WITHOUT], 10, WITH),
        ([WITH] * 3 + [WITHOUT] * 2, 10, None),
        ([WITH] * 8 + [WITHOUT] * 7, 10, WITHOUT),
        # Pictures that were taken at once show one mistake many times.
        ([WITH] * 6, 30, None),
        ([WITH] * 9, 30, WITH),
        # Few votes are enough where frames are rare.
        ([WITH] * 3, 5, WITH),
        ([WITH] * 2, 2, None),
    ],
)
def test_enough_votes_of_one_kind_agree(
    labels: list[Label], fps: float, agreed: Label | None
) -> None:
    found = tally(*labels, fps=fps).agreed()
    assert (found and found[0]) == agreed


@pytest.mark.parametrize("fps", [5, 10, 15, 30])
@pytest.mark.parametrize("label", list(Label))
def test_good_frames_are_decided_within_a_second(label: Label, fps: int) -> None:
    assert tally(*[label] * (fps // 2 + 1), fps=fps).agreed() is not None


def test_faint_boxes_agree_on_nothing() -> None:
    assert tally(*[WITH] * 20, score=0.45).agreed() is None


@given(st.lists(st.sampled_from([*Label]), min_size=1, max_size=60))
def test_a_pass_always_has_the_majority(labels: list[Label]) -> None:
    found = tally(*labels).agreed()
    if found is not None and found[0] is WITH:
        assert found[1] >= RULES.majority


def test_a_verdict_turns_with_a_clear_vote_of_the_newest() -> None:
    counted = tally(*[WITHOUT] * 20, *[WITH] * 5)
    assert counted.turned([WITH], 0.25) == (WITH, 1.0)
    assert tally(*[WITHOUT] * 20, *[WITH] * 3).turned([WITH], 0.25) is None


def test_a_removal_must_last() -> None:
    assert tally(*[WITHOUT] * 8).turned(REFUSALS, 1.0) is None
    found = tally(*[WITHOUT, WRONGLY, WRONGLY] * 4).turned(REFUSALS, 1.0)
    assert found is not None
    assert (found[0], round(found[1], 6)) == (WRONGLY, 1.0)


def test_other_rules_keep_the_votes() -> None:
    counted = tally(*[WITH] * 5)
    counted.use(VotingRules(votes=3))
    assert len(counted) == 5


@given(st.lists(st.tuples(st.sampled_from([*Label]), st.floats(0, 1)), max_size=20))
def test_shares_add_up(votes: list[tuple[Label, float]]) -> None:
    shares = shares_of([Vote(label, weight, 1.0, 0.0) for label, weight in votes])
    total = sum(weight for _, weight in votes)
    assert sum(shares.values()) == pytest.approx(1.0 if total else 0.0)


def test_a_small_a_blurred_and_a_covered_face_weigh_less() -> None:
    half = Box(100, 100, 100 + GOOD_SIZE / 2, 200)
    assert quality_of(LARGE, 0.5, 0.5, []) == 1.0
    assert quality_of(half, 0.5, 0.5, []) == 0.5
    assert quality_of(LARGE, 0.1, 0.8, []) == pytest.approx(0.25)
    assert quality_of(LARGE, 0.5, 0.5, [Box(150, 100, 250, 200)]) == pytest.approx(0.5)
    assert quality_of(LARGE, 0.5, 0.5, [LARGE]) == LEAST_QUALITY


def test_a_face_of_unknown_sharpness_is_not_blamed() -> None:
    assert quality_of(LARGE, 0.0, 0.0, []) == 1.0


def test_blur_lowers_the_sharpness_and_light_does_not() -> None:
    spots = np.random.default_rng(0).integers(40, 200, (60, 80, 3), np.uint8)
    sharp = np.asarray(cv2.resize(spots, (320, 240), interpolation=cv2.INTER_CUBIC), np.uint8)
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 3), np.uint8)
    darker = np.asarray(sharp * 0.6, np.uint8)
    assert sharpness_of(blurred, LARGE) < 0.5 * sharpness_of(sharp, LARGE)
    assert sharpness_of(darker, LARGE) == pytest.approx(sharpness_of(sharp, LARGE), rel=0.1)


def test_a_blank_or_tiny_face_has_no_sharpness() -> None:
    blank = np.full((240, 320, 3), 90, np.uint8)
    assert sharpness_of(blank, LARGE) == 0
    assert sharpness_of(blank, Box(310, 100, 330, 120)) == 0
    assert sharpness_of(blank, Box(10, 10, 14, 200)) == 0
