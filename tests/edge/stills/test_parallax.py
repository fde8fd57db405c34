"""Parallax tells a head that turns from a flat picture in a moving hand."""

import cv2
import numpy as np
import pytest

from edge.settings import Stills
from edge.stills.check import LEAST_PARALLAX, StillsCheck
from edge.stills.parallax import ParallaxReference
from edge.values import Box, Face, Image, TrackedFace

BOX = Box(110, 70, 200, 180)
WIDTH, HEIGHT = 320, 240


def face(seed: int = 1) -> Image:
    """Return a frame with some structure of about the size of eyes and nose."""
    coarse = np.random.default_rng(seed).integers(40, 200, (HEIGHT // 10, WIDTH // 10, 3), np.uint8)
    return np.asarray(
        cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), dtype=np.uint8
    )


def noisy(image: Image, seed: int) -> Image:
    noise = np.random.default_rng(seed).normal(0, 2, image.shape)
    return np.asarray(np.clip(image + noise, 0, 255), np.uint8)


def in_the_hand(n: int) -> Image:
    """Return the flat picture in frame n: shifted, turned and tilted by some degrees."""
    corners = np.array([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]], np.float32)
    phase = n / 3
    tilt = np.array([[3, 1], [-2, 2], [2, -3], [-3, -1]]) * np.sin(phase)
    moved = corners + np.array([9 * np.sin(phase), 5 * np.sin(0.7 * phase)]) + tilt
    matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    whole = cv2.warpPerspective(face(), matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
    return noisy(np.asarray(whole, np.uint8), n)


def turned(n: int, degrees: float = 3.0) -> Image:
    """Return a head in frame n, half an ellipsoid, that turns from side to side."""
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    (x, y), wide = BOX.centre, BOX.width
    depth = 0.5 * np.sqrt(
        np.clip(1 - ((xs - x) / wide / 0.6) ** 2 - ((ys - y) / wide / 0.8) ** 2, 0, 1)
    )
    shift = wide * depth * np.sin(np.radians(degrees) * np.sin(n / 3))
    whole = cv2.remap(face(), (xs - shift).astype(np.float32), ys, cv2.INTER_LINEAR)
    return noisy(np.asarray(whole, np.uint8), n)


def parallaxes(frames: list[Image]) -> list[float]:
    reference = ParallaxReference(frames[0], BOX)
    found = [reference.parallax(image) for image in frames[1:]]
    return [each for each in found if each is not None]


def test_a_head_that_turns_has_a_parallax_and_a_picture_in_the_hand_has_none() -> None:
    head = parallaxes([turned(n) for n in range(20)])
    picture = parallaxes([in_the_hand(n) for n in range(20)])
    assert len(head) > 15
    assert len(picture) > 15
    assert np.median(head) > 2 * LEAST_PARALLAX
    assert max(picture) < LEAST_PARALLAX


def test_a_face_that_is_no_longer_there_has_no_parallax_instead_of_a_wrong_one() -> None:
    reference = ParallaxReference(face(1), BOX)
    assert reference.parallax(face(2)) is None


def held(frames: list[Image], mode: Stills) -> list[bool]:
    check = StillsCheck(mode)
    return [
        bool(check.watch(image, [TrackedFace(Face(BOX, 0.9), 1, n / 10)]))
        for n, image in enumerate(frames)
    ]


@pytest.mark.parametrize(("mode", "is_held"), [(Stills.MOTIONLESS, False), (Stills.FLAT, True)])
def test_a_picture_in_the_hand_is_held_where_flat_things_are_suspected(
    mode: Stills, is_held: bool
) -> None:
    assert held([in_the_hand(n) for n in range(30)], mode)[-1] is is_held


def test_a_head_that_turns_is_released_within_two_seconds() -> None:
    assert not held([turned(n) for n in range(20)], Stills.FLAT)[-1]
