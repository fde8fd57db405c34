import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from edge import faces
from training.boxes.blending import Blend, blended, overlaps

Floats = NDArray[np.float32]


def boxes_of(*rows: list[float]) -> Floats:
    return np.array(rows, np.float32)


def test_overlaps_are_intersections_over_unions() -> None:
    a = boxes_of([0, 0, 10, 10])
    b = boxes_of([0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [0, 0, 5, 5])
    assert overlaps(a, b)[0] == pytest.approx([1, 1 / 3, 0, 0.25])


def test_what_overlaps_enough_and_scores_enough_has_a_say() -> None:
    boxes = boxes_of([10, 10, 110, 110], [20, 10, 120, 110], [30, 10, 130, 110], [10, 10, 60, 60])
    scores = np.array([0.8, 0.2, 0.04, 0.9], np.float32)
    (moved,) = blended(boxes[:1], boxes, scores, Blend(score=0.05, iou=0.5))
    assert moved == pytest.approx([12, 10, 112, 110])
    assert (blended(boxes[:1], boxes[1:3], scores[1:3], Blend(0.5, 0.5)) == boxes[:1]).all()


@given(
    arrays(np.float32, (9, 4), elements=st.floats(0, 300, width=32)),
    arrays(np.float32, 9, elements=st.floats(0.0625, 1, width=32)),
    st.floats(0, 1),
)
def test_the_edge_blends_likewise(corners: Floats, scores: Floats, iou: float) -> None:
    boxes = np.concatenate([corners[:, :2], corners[:, :2] + 1 + corners[:, 2:]], axis=1)
    here = blended(boxes[:3], boxes, scores, Blend(score=0.05, iou=iou))
    assert here == pytest.approx(faces.blend_boxes(boxes[:3], boxes, scores, iou), abs=1e-3)
