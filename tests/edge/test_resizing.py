import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.resizing import Letterbox, resize
from training.boxes.resizing import letterboxed


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (height, width, 3), np.uint8)


def test_a_picture_of_the_right_size_stays_itself() -> None:
    picture = noise(48, 64)
    assert resize(picture, 64, 48) is picture


def test_shrinking_by_whole_numbers_is_the_mean_of_each_block() -> None:
    picture = noise(40, 60)
    blocks = picture.reshape(20, 2, 30, 2, 3).mean((1, 3))
    assert np.abs(resize(picture, 30, 20) - blocks).max() <= 0.5


@pytest.mark.parametrize("sides", [(480, 640), (720, 1280), (1080, 1920), (601, 1201)])
def test_fine_stripes_become_grey_and_no_pattern(sides: tuple[int, int]) -> None:
    """Aliasing would turn stripes of one pixel into broad ones."""
    picture = np.zeros((*sides, 3), np.uint8)
    picture[:, ::2] = 200
    small = resize(picture, 352, round(sides[0] * 352 / sides[1]))
    assert small.astype(float).std() < 20
    assert abs(float(small.mean()) - 100) < 3


@pytest.mark.parametrize("sides", [(480, 640), (720, 1280), (1080, 1920), (333, 500), (60, 80)])
def test_training_measures_with_the_same_pixels(sides: tuple[int, int]) -> None:
    picture = np.asarray(cv2.GaussianBlur(noise(*sides), (0, 0), 2), np.uint8)
    there, (across, down) = letterboxed(picture, 352, 32)
    box = Letterbox(352, 352, 32)
    assert np.array_equal(box.fit(picture), there)
    shown = box.scaled_size(*sides)
    assert (across, down) == (sides[1] / shown[1], sides[0] / shown[0])


def test_a_camera_frame_is_filled_up_to_the_next_multiple_alone() -> None:
    box = Letterbox(352, 352, 32)
    assert box.scaled_size(480, 640) == (264, 352)
    assert box.canvas_size(480, 640) == (288, 352)
    fitted = box.fit(np.full((480, 640, 3), 7, np.uint8))
    assert fitted.shape == (288, 352, 3)
    assert (fitted[:264] == 7).all()
    assert (fitted[264:] == 114).all()


def test_a_model_of_one_size_gets_that_size() -> None:
    box = Letterbox(320, 240, 0)
    assert box.canvas_size(1000, 300) == (240, 320)
    assert box.scaled_size(1000, 300) == (240, 72)


@given(height=st.integers(1, 3000), width=st.integers(1, 3000))
def test_the_shown_picture_lies_within_its_canvas(height: int, width: int) -> None:
    box = Letterbox(320, 320, 32)
    rows, columns = box.canvas_size(height, width)
    down, across = box.scaled_size(height, width)
    assert 1 <= down <= rows <= 320
    assert 1 <= across <= columns <= 320
    assert rows % 32 == columns % 32 == 0
    assert max(down, across) == 320
