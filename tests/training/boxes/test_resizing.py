import numpy as np
import pytest

from training.boxes.resizing import canvas, letterboxed, shown


def test_a_letterbox_keeps_the_ratio_and_says_the_way_back() -> None:
    filled, (across, down) = letterboxed(np.full((100, 200, 3), 255, np.uint8), 96, 32)
    assert filled.shape == (64, 96, 3)
    assert (filled[:48] == 255).all()
    assert (filled[48:] == 114).all()
    assert across == pytest.approx(200 / 96)
    assert down == pytest.approx(100 / 48)


@pytest.mark.parametrize(
    ("sides", "inner", "outer"),
    [
        ((480, 640), (264, 352), (288, 352)),
        ((640, 480), (352, 264), (352, 288)),
        ((333, 500), (234, 352), (256, 352)),
        ((10, 3000), (1, 352), (32, 352)),
        ((352, 352), (352, 352), (352, 352)),
    ],
)
def test_the_shorter_side_is_filled_up_to_the_next_multiple_alone(
    sides: tuple[int, int], inner: tuple[int, int], outer: tuple[int, int]
) -> None:
    assert shown(*sides, 352) == inner
    assert canvas(*sides, 352, 32) == outer
    assert letterboxed(np.zeros((*sides, 3), np.uint8), 352, 32)[0].shape[:2] == outer
