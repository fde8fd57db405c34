"""Motion: the prediction goes where the face goes, at any size, and after gaps."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.tracking.motion import Motion, measured
from edge.values import Box


def face(x: float, y: float, width: float) -> Box:
    return Box(x - width / 2, y - 0.6 * width, x + width / 2, y + 0.6 * width)


def walked(speed: float, width: float, steps: int, step_s: float) -> Motion:
    """A face that goes to the right, at a speed in pixels a second, since 0 s."""
    motion = Motion(face(0, 0, width), 0.0)
    for n in range(1, steps + 1):
        motion.predict(n * step_s)
        motion.update(face(n * step_s * speed, 0, width), n * step_s, step_s)
    return motion


def test_a_face_that_was_seen_once_is_expected_where_it_was() -> None:
    motion = Motion(face(100, 80, 60), 1.0)
    motion.predict(1.5)
    assert motion.box.centre == pytest.approx((100, 80))
    assert motion.speed == 0


@given(
    speed=st.floats(-400, 400), width=st.floats(20, 200), step_s=st.sampled_from([1 / 30, 0.1, 0.2])
)
def test_an_even_walk_is_foretold(speed: float, width: float, step_s: float) -> None:
    motion = walked(speed, width, 20, step_s)
    motion.predict(21 * step_s)
    # In face sizes: a near face moves by more pixels.
    assert abs(motion.box.centre[0] - 21 * step_s * speed) < 0.1 * width + 0.1 * abs(speed) * step_s


@given(grow=st.floats(0.5, 2.0))
def test_speed_is_in_face_sizes(grow: float) -> None:
    near = walked(120 * grow, 60 * grow, 20, 0.1)
    assert near.speed == pytest.approx(walked(120, 60, 20, 0.1).speed, rel=1e-6)


def test_a_face_that_comes_nearer_is_expected_to_be_larger() -> None:
    motion = Motion(face(0, 0, 40), 0.0)
    for n in range(1, 15):
        motion.predict(n / 10)
        motion.update(face(0, 0, 40 * 1.05**n), n / 10, 0.1)
    motion.predict(1.5)
    assert motion.box.width > motion.last_box.width


def test_the_longer_a_face_is_unseen_the_farther_off_it_may_be() -> None:
    motion = walked(50, 60, 10, 0.1)
    variances = []
    for later in range(1, 6):
        motion.predict(1.0 + later / 10)
        variances.append(motion.variances())
    assert variances == sorted(variances)


def test_a_gap_is_bridged_along_a_straight_line() -> None:
    """Who turned round while unseen is not expected to go on as before."""
    motion = walked(200, 60, 10, 0.1)
    motion.predict(2.0)
    motion.update(face(100, 0, 60), 2.0, 0.1)
    motion.predict(2.1)
    assert motion.box.centre[0] < 110


def test_a_time_that_goes_back_changes_nothing() -> None:
    motion = walked(100, 60, 10, 0.1)
    before = motion.box
    motion.predict(0.5)
    assert motion.box == before


def test_box_at_is_where_an_even_walk_leads_and_leaves_the_motion_alone() -> None:
    motion = walked(100, 60, 10, 0.1)
    before = motion.box
    assert motion.box_at(2.0).centre[0] == pytest.approx(200, abs=5)
    assert motion.box == before


@given(x=st.floats(-50, 700), y=st.floats(-50, 500), width=st.floats(2, 400))
def test_a_box_is_measured_and_predicted_alike(x: float, y: float, width: float) -> None:
    box = face(x, y, width)
    seen = measured(box)
    assert seen[:2] == pytest.approx(box.centre, abs=1e-6)
    assert math.exp(seen[2]) == pytest.approx(box.width, rel=1e-6)
    predicted = Motion(box, 0.0).box
    assert (predicted.x0, predicted.y1) == pytest.approx((box.x0, box.y1), abs=1e-6)
