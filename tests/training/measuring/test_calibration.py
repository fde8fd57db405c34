import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.measuring.calibration import (
    admission_rates,
    calibrated,
    temperature_of,
    threshold_of,
    verdicts,
)
from training.measuring.intervals import Rate


def test_with_mask_needs_its_threshold_and_otherwise_the_likelier_of_the_rest_is_said() -> None:
    rows = np.array([[0.7, 0.2, 0.1], [0.55, 0.05, 0.4], [0.1, 0.6, 0.3]], np.float32)
    assert verdicts(rows, 0.6).tolist() == [0, 2, 1]


def test_admissions_are_shares_of_their_class() -> None:
    labels, said = np.array([0, 0, 1, 1, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 1, 1, 0, 2])
    assert admission_rates(labels, said) == {
        "false_admit_without_mask": Rate(1, 4),
        "false_admit_incorrect_mask": Rate(1, 2),
        "false_refusal": Rate(1, 2),
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
