"""Displacement: small movements are measured, and light and noise are no movement."""

import cv2
import numpy as np
import pytest

from edge.stills.displacement import Reference
from edge.values import Box, Image

REGION = Box(100, 60, 220, 180)


def scene(dx: float = 0.0, dy: float = 0.0, *, grow: float = 1.0, turn: float = 0.0) -> Image:
    """Coarse shapes, moved by some pixels around the middle of the region."""
    coarse = np.random.default_rng(2).integers(40, 200, (18, 24, 3), np.uint8)
    whole = cv2.resize(coarse, (320, 240), interpolation=cv2.INTER_CUBIC)
    matrix = cv2.getRotationMatrix2D((160.0, 120.0), turn, grow)
    matrix[:, 2] += np.array([dx, dy])
    return np.asarray(cv2.warpAffine(whole, matrix, (320, 240), flags=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (1.0, 0.0), (0.0, -1.5), (0.6, 0.8)])
def test_a_shift_is_measured_in_pixels(dx: float, dy: float) -> None:
    found = Reference(scene(), REGION).movement(scene(dx, dy))
    assert found[:2] == pytest.approx([dx, dy], abs=0.15)


def test_growth_and_turn_are_measured_at_the_edge() -> None:
    reference = Reference(scene(), REGION)
    # 2 % of 60 px, and one degree of 60 px.
    assert reference.movement(scene(grow=1.02))[2] == pytest.approx(1.2, abs=0.2)
    assert abs(reference.movement(scene(turn=1.0))[3]) == pytest.approx(1.05, abs=0.2)


def test_light_that_changes_is_no_movement() -> None:
    darker = np.asarray(scene() * 0.8 + 5, np.uint8)
    assert np.abs(Reference(scene(), REGION).movement(darker)).max() < 0.1


def test_noise_moves_a_face_by_less_than_a_third_of_a_pixel() -> None:
    rng = np.random.default_rng(0)

    def noisy() -> Image:
        return np.asarray(np.clip(scene() + rng.normal(0, 5, (240, 320, 3)), 0, 255), np.uint8)

    reference = Reference(noisy(), REGION)
    assert max(np.abs(reference.movement(noisy())).max() for _ in range(30)) < 0.3


def test_a_blank_part_does_not_move() -> None:
    blank = np.full((240, 320, 3), 128, np.uint8)
    assert np.abs(Reference(blank, REGION).movement(blank)).max() < 0.01


def test_a_part_that_is_outside_the_frame_is_cut() -> None:
    beyond = Reference(scene(), Box(-50, -50, 60, 60))
    assert beyond.movement(scene()) == pytest.approx([0, 0, 0, 0], abs=1e-3)
