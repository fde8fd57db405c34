"""A code is read from a picture of a phone that is held before a door's camera."""

import cv2
import numpy as np
import pytest

from cloud import qr
from edge.door.codes import SeenCodes, codes_in
from edge.values import Image
from tests.edge.door.signed import TOKEN, code


def phone(text: str, side: int, *, turned: float = 0.0, dim: float = 1.0) -> Image:
    """Draw a phone with a code on its screen, `side` pixels wide, before a grey wall."""
    drawn = cv2.imdecode(np.frombuffer(qr.png(text), np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None
    picture = np.full((480, 640, 3), 120, np.uint8)
    picture[40:440, 210:430] = 25
    shown = cv2.resize(drawn, (side, side), interpolation=cv2.INTER_AREA)
    top, left = 240 - side // 2, 320 - side // 2
    picture[top : top + side, left : left + side] = (shown * dim).astype(np.uint8)
    rotation = cv2.getRotationMatrix2D((320, 240), turned, 1.0)
    seen = cv2.warpAffine(picture, rotation, (640, 480), borderValue=(120, 120, 120))
    noise = np.random.default_rng(7).normal(0, 4, seen.shape)
    noisy: Image = np.clip(cv2.GaussianBlur(seen, (3, 3), 0.6) + noise, 0, 255).astype(np.uint8)
    return noisy


@pytest.mark.parametrize("turned", [0.0, 12.0, 90.0, 171.0])
def test_a_signed_code_is_read_however_the_phone_is_turned(turned: float) -> None:
    assert codes_in(phone(code(), 210, turned=turned)) == [code()]


def test_a_small_code_is_read_by_a_second_try() -> None:
    assert codes_in(phone(code(), 110)) == [code()]


def test_a_dim_screen_is_read() -> None:
    assert codes_in(phone(code(), 210, dim=0.35)) == [code()]


def test_a_room_without_a_code_has_none() -> None:
    noise = np.random.default_rng(3).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    assert codes_in(noise) == []


def test_a_code_that_stays_in_sight_is_one_attempt() -> None:
    times = iter([0.0, 1.0, 2.5, 4.0, 6.5])
    seen = SeenCodes(away_s=2.0, clock=lambda: next(times))
    attempts = [seen.new_in([TOKEN]) for _ in range(5)]
    assert attempts == [[TOKEN], [], [], [], [TOKEN]]
