"""Association: near faces belong to tracks, far ones do not, and certain faces choose first."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge.tracking.association import assign, costs_of, without_duplicates
from edge.tracking.motion import TOP_SPEED, Motion
from edge.values import Box, Face


def box(x: float, width: float = 60, y: float = 100) -> Box:
    return Box(x - width / 2, y - width / 2, x + width / 2, y + width / 2)


def stood(x: float, width: float = 60) -> Motion:
    """Somebody who has stood for a second, predicted for 1.1 s."""
    motion = Motion(box(x, width), 0.0)
    for n in range(1, 11):
        motion.predict(n / 10)
        motion.update(box(x, width), n / 10, 0.1)
    motion.predict(1.1)
    return motion


def cost(motion: Motion, seen: Box, now_s: float = 1.1) -> float:
    return float(costs_of([motion], [seen], now_s)[0, 0])


def test_the_nearer_box_costs_less() -> None:
    motion = stood(300)
    costs = [cost(motion, box(300 + away)) for away in (0, 5, 10, 15)]
    assert costs == sorted(costs)
    assert costs[-1] < math.inf


def test_nobody_jumps_farther_than_people_run() -> None:
    motion = Motion(box(300), 0.0)
    motion.predict(0.1)
    assert cost(motion, box(300 + 60 * (0.6 + TOP_SPEED * 0.1)), 0.1) == math.inf


def test_a_face_of_twice_the_size_is_another() -> None:
    assert cost(stood(300), box(300, 120)) == math.inf
    assert cost(stood(300), box(300, 30)) == math.inf


def test_a_walker_is_found_without_an_overlap_of_boxes() -> None:
    """At 5 frames/s a walker moves by more than a face between two frames."""
    motion = Motion(box(0), 0.0)
    for n in range(1, 6):
        motion.predict(n / 5)
        motion.update(box(n * 80), n / 5, 0.2)
    motion.predict(1.2)
    assert motion.last_box.iou(box(480)) == 0
    assert cost(motion, box(480), 1.2) < math.inf


@given(
    places=st.lists(st.tuples(st.floats(0, 640), st.floats(25, 150)), min_size=1, max_size=4),
    seen=st.lists(st.tuples(st.floats(0, 640), st.floats(25, 150)), min_size=1, max_size=4),
)
def test_the_costs_of_many_are_those_of_each_pair(
    places: list[tuple[float, float]], seen: list[tuple[float, float]]
) -> None:
    motions = [stood(*place) for place in places]
    boxes = [box(*each) for each in seen]
    alone = [[cost(motion, each) for motion in motions] for each in boxes]
    np.testing.assert_allclose(costs_of(motions, boxes, 1.1), alone)


def test_no_tracks_and_no_faces_have_no_costs() -> None:
    assert costs_of([], [box(1)], 0.0).shape == (1, 0)
    assert costs_of([stood(1)], [], 1.1).shape == (0, 1)


def faces(*scores: float) -> list[Face]:
    return [Face(box(100), score) for score in scores]


def test_the_cheapest_pair_is_taken_first() -> None:
    costs = np.array([[1.0, 0.5], [0.2, 0.4]])
    assert assign(faces(0.9, 0.9), 0.5, costs) == {1: 0, 0: 1}


def test_a_certain_face_chooses_before_a_doubtful_one_that_fits_better() -> None:
    costs = np.array([[0.1], [5.0]])
    assert assign(faces(0.4, 0.9), 0.5, costs) == {1: 0}


@given(
    st.lists(
        st.lists(st.one_of(st.just(math.inf), st.floats(0, 50)), min_size=3, max_size=3),
        max_size=5,
    )
)
def test_no_track_has_two_faces_and_no_possible_pair_is_left(rows: list[list[float]]) -> None:
    costs = np.array(rows).reshape(-1, 3)
    chosen = assign(faces(*[0.9] * len(costs)), 0.5, costs)
    assert len(set(chosen.values())) == len(chosen)
    for i, row in enumerate(costs):
        for j, each in enumerate(row):
            if each < math.inf:
                assert i in chosen or j in chosen.values()
            else:
                assert chosen.get(i) != j


def test_of_two_boxes_on_one_face_the_surer_stays() -> None:
    whole, part, other = Face(box(100), 0.9), Face(box(104, 50), 0.5), Face(box(300), 0.4)
    assert without_duplicates([part, other, whole]) == [whole, other]
