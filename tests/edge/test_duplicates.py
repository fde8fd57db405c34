import numpy as np
import pytest

from edge.duplicates import without_duplicates

WHOLE = (100, 100, 300, 360)


def stay(*boxes: tuple[int, int, int, int]) -> list[int]:
    return without_duplicates(np.array(boxes, np.float32).reshape(-1, 4))


@pytest.mark.parametrize(
    "part",
    [
        (100, 100, 300, 215),  # the upper half, IoU 0.44
        (140, 160, 260, 320),  # without forehead and chin, IoU 0.37
        (95, 90, 240, 230),  # a part that sticks out
    ],
)
def test_a_face_and_a_part_of_it_are_one(part: tuple[int, int, int, int]) -> None:
    assert stay(WHOLE, part) == [0]
    assert stay(part, WHOLE) == [0]


@pytest.mark.parametrize(
    "other",
    [
        (240, 130, 430, 370),  # a head partly behind another
        (120, 300, 240, 450),  # a child held in arms, whose forehead covers the chin
        (110, 110, 150, 160),  # somebody far away, seen beside the ear
        (500, 100, 700, 360),
    ],
)
def test_two_people_stay_two(other: tuple[int, int, int, int]) -> None:
    assert stay(WHOLE, other) == [0, 1]


def test_of_three_boxes_of_one_face_and_another_face_two_stay() -> None:
    part, inner, other = (100, 100, 300, 215), (140, 160, 260, 320), (500, 100, 700, 360)
    assert stay(WHOLE, other, part, inner) == [0, 1]


def test_no_boxes_and_empty_boxes_are_no_fault() -> None:
    assert stay() == []
    assert stay((5, 5, 5, 5), WHOLE) == [0, 1]
