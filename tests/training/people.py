"""Drawn faces whose file names say age, gender and race, as in UTKFace."""

from pathlib import Path

import cv2
import numpy as np

from tests.training.tiny import draw_face


def write_people(folder: Path, count: int) -> None:
    """Write `count` pictures: every third shows a child, and a woman's picture is red."""
    folder.mkdir(parents=True)
    for n in range(count):
        gender, age = n % 2, 9 if n % 3 == 2 else 20 + n
        rng = np.random.default_rng(n)
        picture = cv2.resize(
            rng.integers(0, 120, (6, 6, 3), np.uint8), (64, 64), interpolation=cv2.INTER_CUBIC
        )
        picture[..., 2] = 230 if gender else 20
        draw_face(picture, (12, 12, 52, 52), "without_mask")
        cv2.imwrite(str(folder / f"{age}_{gender}_{n % 5}_20170101{n:09}.png"), picture)
