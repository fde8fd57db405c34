import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.values import Box

sides = st.floats(0, 1000, allow_nan=False)
boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h), sides, sides, st.floats(1, 500), st.floats(1, 500)
)


@given(boxes, boxes)
def test_overlap_is_symmetric_and_a_share(a: Box, b: Box) -> None:
    assert 0 <= a.iou(b) <= 1
    assert a.iou(b) == pytest.approx(b.iou(a))


@given(boxes)
def test_a_box_overlaps_itself_wholly(box: Box) -> None:
    assert box.iou(box) == pytest.approx(1, abs=1e-6)


def test_overlap_of_a_known_pair() -> None:
    assert Box(0, 0, 10, 10).iou(Box(5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert Box(0, 0, 10, 10).iou(Box(10, 0, 20, 10)) == 0


def test_a_box_within_another_is_covered_wholly() -> None:
    assert Box(0, 0, 100, 100).cover(Box(10, 10, 20, 20)) == 1
    assert Box(0, 0, 10, 10).cover(Box(5, 0, 25, 10)) == pytest.approx(0.5)
    assert Box(0, 0, 10, 10).cover(Box(20, 0, 30, 10)) == 0


def test_an_inside_out_box_has_no_area() -> None:
    assert Box(10, 10, 0, 0).area == 0
    assert Box(10, 10, 0, 0).iou(Box(0, 0, 20, 20)) == 0
