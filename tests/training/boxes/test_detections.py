import numpy as np
import pytest

from training.boxes.blending import Blend, overlaps
from training.boxes.detections import Detections, one_box_each, suppress


def test_suppression_keeps_the_surest_of_overlapping_boxes() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [40, 40, 50, 50], [0, 0, 9, 9]], np.float32)
    kept = suppress(boxes, np.array([0.6, 0.9, 0.5, 0.1], np.float32), 0.3, 0.45)
    assert kept.scores.tolist() == pytest.approx([0.9, 0.5])
    assert overlaps(kept.boxes, kept.boxes)[0, 1] == 0
    assert kept.boxes[0].tolist() == [1, 1, 11, 11]


def test_suppression_blends_what_it_keeps_with_what_it_drops() -> None:
    boxes = np.array([[0, 0, 10, 10], [2, 0, 12, 10], [40, 40, 50, 50]], np.float32)
    scores = np.array([0.1, 0.3, 0.5], np.float32)
    kept = suppress(boxes, scores, 0.3, 0.45, Blend(score=0.05, iou=0.5))
    assert kept.scores.tolist() == pytest.approx([0.5, 0.3])
    assert kept.boxes.tolist() == [[40, 40, 50, 50], pytest.approx([1.5, 0, 11.5, 10])]


def test_a_face_has_one_box_among_those_that_reach_the_threshold() -> None:
    whole, upper_half, elsewhere = [0, 0, 40, 40], [2, 0, 38, 20], [60, 0, 90, 30]
    boxes = np.array([whole, elsewhere, upper_half, upper_half], np.float32)
    found = Detections(boxes, np.array([0.9, 0.8, 0.6, 0.2], np.float32))
    assert one_box_each(found, 0.5).scores.tolist() == pytest.approx([0.9, 0.8, 0.2])
    assert one_box_each(found, 0.7).scores.tolist() == pytest.approx([0.9, 0.8, 0.6, 0.2])
