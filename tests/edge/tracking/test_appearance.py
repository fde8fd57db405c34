"""Appearance: one person looks alike in other light and with a mask, another person does not."""

import cv2
import numpy as np
import pytest

from edge.tracking.appearance import DIFFERENT, SAME, Look, look_of
from edge.values import Box, Image
from tests.edge.tracking.simulation import OUTFITS

HERE = Box(280, 130, 360, 230)


def drawn(outfit: int, *, mask: bool = False, light: float = 1.0) -> Image:
    """Somebody in these colours, who stands at HERE."""
    image = np.full((480, 640, 3), 100, np.uint8)
    hair, skin, shirt = OUTFITS[outfit]
    cv2.rectangle(image, (220, 250), (420, 480), shirt, -1)
    cv2.ellipse(image, (320, 170), (50, 68), 0, 0, 360, hair, -1)
    cv2.ellipse(image, (320, 180), (40, 50), 0, 0, 360, skin, -1)
    if mask:
        cv2.rectangle(image, (282, 190), (358, 230), (220, 200, 160), -1)
    return np.asarray(np.clip(image * light, 0, 255), np.uint8)


def look(image: Image, box: Box = HERE) -> Look:
    found = look_of(image, box)
    assert found is not None
    return found


def test_a_picture_is_as_itself() -> None:
    assert look(drawn(0)).distance(look(drawn(0))) == pytest.approx(0, abs=1e-4)


def test_a_mask_changes_nothing() -> None:
    assert look(drawn(1)).distance(look(drawn(1, mask=True))) < 0.3


@pytest.mark.parametrize("light", [0.7, 1.2])
def test_light_changes_little(light: float) -> None:
    assert look(drawn(1)).distance(look(drawn(1, light=light))) < SAME


@pytest.mark.parametrize("dx", [-5, 5])
def test_a_box_that_is_a_little_off_changes_little(dx: int) -> None:
    moved = Box(HERE.x0 + dx, HERE.y0, HERE.x1 + dx, HERE.y1)
    assert look(drawn(1)).distance(look(drawn(1), moved)) < SAME


def test_other_hair_and_clothes_are_another_person() -> None:
    away = look(drawn(0)).distance(look(drawn(3)))
    assert away > DIFFERENT
    assert look(drawn(3)).distance(look(drawn(0))) == pytest.approx(away)


def test_a_face_at_the_lower_edge_is_known_by_the_head_alone() -> None:
    image = drawn(0)[:250]
    head = look(image)
    assert head.distance(look(drawn(0))) < 0.3
    assert head.distance(look(drawn(3))) > DIFFERENT


def test_a_head_outside_the_frame_has_no_look() -> None:
    assert look_of(drawn(0), Box(280, -60, 360, 20)) is None
    assert look_of(drawn(0), Box(700, 100, 780, 200)) is None


def test_a_mixture_is_between_both_and_keeps_the_chest() -> None:
    one, other = look(drawn(0)), look(drawn(3))
    away = one.distance(other)
    mixture = one.mixed(other, 0.5)
    assert one.distance(mixture) < away
    assert other.distance(mixture) < away
    assert one.mixed(one, 0.3).distance(one) == pytest.approx(0, abs=1e-3)
    assert len(look(drawn(0)[:250]).mixed(one, 0.5).colours) == len(one.colours)
