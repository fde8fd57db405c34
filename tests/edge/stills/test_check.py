"""The check: what moves may pass, what hangs on the wall may not."""

import cv2
import numpy as np

from edge.settings import Stills
from edge.stills.check import SUSPECT_AFTER_S, StillsCheck
from edge.values import Box, Face, Image, TrackedFace

FPS = 10


def texture(seed: int, width: int, height: int) -> Image:
    coarse = np.random.default_rng(seed).integers(40, 200, (height // 12, width // 12, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def frame(x: float, *, shake: float = 0.0) -> Image:
    """A face of 80 px at x, 80 before a wall; `shake` moves the camera."""
    wall = texture(1, 320, 240)
    face = texture(2, 80, 84)
    matrix = np.array([[1, 0, x], [0, 1, 80.0]])
    over = cv2.warpAffine(face, matrix, (320, 240))
    share = cv2.warpAffine(np.ones((84, 80), np.float32), matrix, (320, 240))[..., None]
    whole = np.asarray(wall * (1 - share) + over * share, np.uint8)
    moved = cv2.warpAffine(
        whole, np.array([[1, 0, shake], [0, 1, 0.0]]), (320, 240), borderMode=cv2.BORDER_REPLICATE
    )
    noise = np.random.default_rng(int(1000 * abs(x + shake))).normal(0, 2, moved.shape)
    return np.asarray(np.clip(moved + noise, 0, 255), np.uint8)


def seen(n: int, x: float = 100.0, track: int = 1) -> TrackedFace:
    return TrackedFace(Face(Box(x, 80, x + 80, 164), 0.9), track, n / FPS)


def test_a_poster_is_held_for_ever_and_reported_once() -> None:
    check = StillsCheck(Stills.MOTIONLESS)
    reports = []
    for n in range(100):
        held = check.watch(frame(100), [seen(n)])
        assert held == {1}
        reports += [(n, track) for track in check.newly_suspected(held)]
    assert reports == [(SUSPECT_AFTER_S * FPS, 1)]
    assert check.in_view


def test_who_sways_by_a_millimetre_is_released_within_a_second() -> None:
    check = StillsCheck(Stills.MOTIONLESS)
    # A face of 80 px is 15 cm wide: 1 px is 2 mm.
    held = [check.watch(frame(100 + 1.2 * np.sin(n / 4)), [seen(n)]) for n in range(10)]
    assert held[0] == {1}
    assert held[-1] == frozenset()
    assert check.newly_suspected({1}) == []


def test_who_walks_up_is_released_after_some_steps() -> None:
    check = StillsCheck(Stills.MOTIONLESS)
    held = [check.watch(frame(40 + 12 * n), [seen(n, 40 + 12 * n)]) for n in range(8)]
    assert held[-1] == frozenset()


def test_a_camera_that_shakes_makes_no_poster_live() -> None:
    check = StillsCheck(Stills.MOTIONLESS)
    for n in range(60):
        shake = 1.5 * float(np.sin(n / 3))
        assert check.watch(frame(100, shake=shake), [seen(n, 100 + shake)]) == {1}


def test_a_person_beside_a_poster_is_released_alone() -> None:
    check = StillsCheck(Stills.MOTIONLESS)
    for n in range(30):
        x = 180 + 3 * float(np.sin(n / 4))
        image = frame(x)
        image[80:164, 20:100] = texture(3, 80, 84)
        held = check.watch(image, [seen(n, 20, track=1), seen(n, x, track=2)])
    assert held == {1}


def test_a_person_who_moves_at_last_is_no_suspect_any_more() -> None:
    check = StillsCheck(Stills.MOTIONLESS)
    for n in range(40):
        check.newly_suspected(check.watch(frame(100), [seen(n)]))
    assert check.in_view
    for n in range(40, 50):
        held = check.watch(frame(100 + 3 * np.sin(n)), [seen(n)])
    assert held == frozenset()
    assert not check.in_view


def test_nothing_is_held_where_the_check_is_off() -> None:
    assert StillsCheck(Stills.OFF).watch(frame(100), [seen(0)]) == frozenset()
