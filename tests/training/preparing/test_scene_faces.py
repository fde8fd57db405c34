"""Class folders of scenes, with the shipped detector and a person before a camera."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training.clips import BARE, clip
from training.graphs.face_finder import Face
from training.preparing.scene_faces import cropped, is_scene, shipped, warnings_of_scenes
from training.records.any_layout import read_any_layout
from training.records.record import Record


def in_folder(folder: Path, *pictures: np.ndarray) -> list[Record]:
    (folder / "without_mask").mkdir(parents=True)
    for n, picture in enumerate(pictures):
        cv2.imwrite(str(folder / "without_mask" / f"{n}.png"), picture)
    return read_any_layout(folder, folder.name, [])


@pytest.fixture(scope="module")
def room() -> np.ndarray:
    """A person in a room: the face is a small part of the picture."""
    frame = clip()[BARE[10]]
    height, width = frame.shape[:2]
    return np.asarray(
        cv2.copyMakeBorder(frame, height // 2, height // 2, width // 2, width // 2, 1), np.uint8
    )


def test_a_class_folder_of_scenes_is_warned_of_and_cropped_on_wish(
    tmp_path: Path, room: np.ndarray
) -> None:
    records = in_folder(tmp_path / "mine", room, room[:, ::-1].copy())
    (warning,) = warnings_of_scenes(records)
    assert "without_mask: 2 of 2 pictures" in warning
    assert "--crop-faces" in warning
    problems: list[str] = []
    for record in cropped(records, problems):
        assert (record.crop, record.boxed) == (None, False)
        (face,) = record.faces
        assert face.label == "without_mask"
        assert face.box[2] - face.box[0] < 0.4 * record.width
    assert problems == []


def test_a_folder_of_faces_stays_as_it_is(tmp_path: Path, room: np.ndarray) -> None:
    face = shipped(room)[0]
    x0, y0, x1, y1 = (round(v) for v in face.box)
    tight = cv2.resize(room[y0:y1, x0:x1], (200, 200))
    records = in_folder(tmp_path / "faces", tight, cv2.resize(tight, (80, 80)))
    assert warnings_of_scenes(records) == []
    sides: list[int] = []

    def one_face(picture: np.ndarray) -> list[Face]:
        sides.append(picture.shape[0])
        return [Face((10.0, 10.0, 190.0, 190.0), 0.9)]

    assert cropped(records, [], one_face) == records
    # A picture of 80 px has no room for a scene, and nobody looks into it.
    assert sides == [200]


def test_a_scene_without_a_face_is_left_out_and_several_faces_are_named(tmp_path: Path) -> None:
    pictures = [np.full((400, 500 + n, 3), 40 * n, np.uint8) for n in range(2)]
    records = in_folder(tmp_path / "mine", *pictures)
    near, beside, far = ((20.0, 20.0, 120.0, 120.0), (200.0, 20.0, 260.0, 80.0), (0, 0, 20, 20))

    def find(picture: np.ndarray) -> list[Face]:
        return [Face(b, 0.9) for b in (near, beside, far)] if picture.shape[1] == 501 else []

    problems: list[str] = []
    (record,) = cropped(records, problems, find)
    assert [f.box for f in record.faces] == [near, beside]
    assert "0.png: no face was found; left out" in problems[0]
    assert "1.png: 2 faces, and all of them count as without_mask" in problems[1]


def test_a_face_that_fills_its_picture_makes_no_scene() -> None:
    picture = np.zeros((200, 300, 3), np.uint8)
    assert is_scene(picture, [Face((0.0, 0.0, 79.0, 90.0), 0.9)])
    assert not is_scene(picture, [Face((0.0, 0.0, 81.0, 90.0), 0.9)])
    assert not is_scene(picture, [])
