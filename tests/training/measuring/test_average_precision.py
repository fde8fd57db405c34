import numpy as np
import pytest

from tests.training.datasets import boxed_dataset
from training.boxes.detections import Detections
from training.measuring.average_precision import face_ap


def exact(count: int = 4) -> tuple[list[Detections], list[int]]:
    dataset = boxed_dataset(count)
    found = [
        Detections(
            np.array([f.box for f in r.faces], np.float32), np.full(len(r.faces), 0.9, np.float32)
        )
        for r in dataset.records
    ]
    return found, list(range(count))


def test_perfect_detections_have_an_average_precision_of_one() -> None:
    found, indices = exact()
    assert face_ap(boxed_dataset(4), indices, found) == pytest.approx(1.0)


def test_missing_half_of_the_faces_halves_it() -> None:
    found, indices = exact()
    half = [Detections(d.boxes[:1], d.scores[:1]) for d in found]
    assert face_ap(boxed_dataset(4), indices, half) == pytest.approx(0.5, abs=0.01)


def test_boxes_off_by_half_do_not_count() -> None:
    found, indices = exact()
    moved = [Detections(d.boxes + np.float32(20), d.scores) for d in found]
    assert face_ap(boxed_dataset(4), indices, moved) < 0.1


def test_small_faces_are_neither_asked_for_nor_blamed() -> None:
    found, indices = exact()
    tiny = np.array([[0, 0, 8, 8]], np.float32)
    more = [
        Detections(np.concatenate([tiny, d.boxes]), np.concatenate([[np.float32(0.99)], d.scores]))
        for d in found
    ]
    assert face_ap(boxed_dataset(4), indices, more) == pytest.approx(1.0)
