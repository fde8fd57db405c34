import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.albums import boxed_album
from training.boxes.blending import Blend, overlaps
from training.boxes.detections import Detections, suppress
from training.measuring.average_precision import face_ap
from training.measuring.calibration import (
    admission_figures,
    calibrated,
    temperature_of,
    threshold_of,
    verdicts,
)


def exact(count: int = 4) -> tuple[list[Detections], list[int]]:
    album = boxed_album(count)
    found = [
        Detections(
            np.array([f.box for f in r.faces], np.float32), np.full(len(r.faces), 0.9, np.float32)
        )
        for r in album.records
    ]
    return found, list(range(count))


def test_perfect_detections_have_an_average_precision_of_one() -> None:
    found, indices = exact()
    assert face_ap(boxed_album(4), indices, found) == pytest.approx(1.0)


def test_missing_half_of_the_faces_halves_it() -> None:
    found, indices = exact()
    half = [Detections(d.boxes[:1], d.scores[:1]) for d in found]
    assert face_ap(boxed_album(4), indices, half) == pytest.approx(0.5, abs=0.01)


def test_boxes_off_by_half_do_not_count() -> None:
    found, indices = exact()
    moved = [Detections(d.boxes + np.float32(20), d.scores) for d in found]
    assert face_ap(boxed_album(4), indices, moved) < 0.1


def test_small_faces_are_neither_asked_for_nor_blamed() -> None:
    found, indices = exact()
    tiny = np.array([[0, 0, 8, 8]], np.float32)
    more = [
        Detections(np.concatenate([tiny, d.boxes]), np.concatenate([[np.float32(0.99)], d.scores]))
        for d in found
    ]
    assert face_ap(boxed_album(4), indices, more) == pytest.approx(1.0)


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


def test_with_mask_needs_its_threshold_and_otherwise_the_likelier_of_the_rest_is_said() -> None:
    rows = np.array([[0.7, 0.2, 0.1], [0.55, 0.05, 0.4], [0.1, 0.6, 0.3]], np.float32)
    assert verdicts(rows, 0.6).tolist() == [0, 2, 1]


def test_admissions_are_shares_of_their_class() -> None:
    labels, said = np.array([0, 0, 1, 1, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 1, 1, 0, 2])
    assert admission_figures(labels, said) == {
        "false_admit_without_mask": 0.25,
        "false_admit_incorrect_mask": 0.5,
        "false_refusal": 0.5,
    }


def test_the_threshold_parts_what_can_be_parted() -> None:
    rows = np.array([[0.9, 0.1, 0], [0.85, 0.1, 0.05], [0.7, 0.3, 0], [0.1, 0.9, 0]], np.float32)
    assert 0.7 < threshold_of(rows, np.array([0, 0, 1, 1])) <= 0.85


def test_an_overconfident_model_is_cooled() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 2000)
    said = np.where(rng.random(2000) < 0.7, labels, rng.integers(0, 3, 2000))
    logits = (np.eye(3)[said] * 20).astype(np.float32)
    assert temperature_of(logits, labels) > 2


@given(
    seed=st.integers(0, 2**32 - 1),
    faces=st.integers(1, 60),
    spread=st.floats(1e-3, 1e3),
    lead=st.floats(0, 5),
)
def test_any_split_however_small_or_well_parted_has_a_temperature(
    seed: int, faces: int, spread: float, lead: float
) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, faces)
    logits = (rng.normal(0, spread, (faces, 3)) + lead * spread * np.eye(3)[labels]).astype(
        np.float32
    )
    temperature = temperature_of(logits, labels)
    assert 0.2 <= temperature <= 5
    assert np.allclose(calibrated(logits, temperature).sum(1), 1, atol=1e-5)


def test_the_temperature_by_which_logits_were_raised_is_found_again() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20_000, 3)).astype(np.float32)
    labels = (logits + rng.gumbel(size=logits.shape)).argmax(1)  # drawn from their own softmax
    for raised in (0.5, 1.0, 3.0):
        assert abs(temperature_of(logits * np.float32(raised), labels) / raised - 1) < 0.05
