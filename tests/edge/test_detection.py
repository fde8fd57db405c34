import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cloud.contract import Label
from edge import detection
from edge.detection import AnnotatedPictures, PictureReport
from edge.errors import EdgeError
from edge.loaded_models import LoadedModels
from tests.edge import standins


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), standins.picture(standins.RED, box=(10, 20, 90, 110)))
    return path


def test_a_report_is_one_line_with_boxes_in_pixels_of_the_file(
    models: LoadedModels, picture: Path
) -> None:
    report, image = detection.judge_file(picture, *parts(models), min_score=0.05)
    line = report.as_json()
    assert "\n" not in line
    seen = json.loads(line)
    assert (seen["file"], seen["width"], seen["height"]) == (str(picture), 320, 240)
    surest, faint = seen["faces"]
    assert surest["box"] == [10, 20, 90, 110]
    assert surest["label"] == "without_mask"
    assert list(surest["probabilities"]) == [str(label) for label in Label]
    assert surest["score"] == pytest.approx(0.9)
    assert faint["score"] == pytest.approx(0.3)
    assert "error" not in seen
    assert image is not None


def parts(models: LoadedModels) -> tuple:  # type: ignore[type-arg]
    return models.detector, models.classifier


def test_the_least_score_is_the_callers(models: LoadedModels, picture: Path) -> None:
    report, _ = detection.judge_file(picture, *parts(models), min_score=0.5)
    assert len(report.judgements) == 1


def test_a_small_face_is_labelled_and_marked(models: LoadedModels, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), standins.picture(standins.GREEN, box=(10, 10, 30, 30)))
    report, _ = detection.judge_file(path, *parts(models), min_score=0.5)
    (face,) = json.loads(report.as_json())["faces"]
    assert (face["label"], face["too_small"]) == ("with_mask", True)


def test_a_file_that_cannot_be_read_says_why(models: LoadedModels, tmp_path: Path) -> None:
    report, image = detection.judge_file(tmp_path / "no.png", *parts(models), min_score=0.5)
    assert image is None
    seen = json.loads(report.as_json())
    assert seen["file"] == str(tmp_path / "no.png")
    assert "does not exist" in seen["error"]
    assert "faces" not in seen


def test_folders_are_searched_with_all_that_is_in_them(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/10.png", "a.png", "b/c/1.JPG"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = [
        str(p.relative_to(tmp_path)) for p in detection.pictures([tmp_path]) if isinstance(p, Path)
    ]
    assert found == ["a.png", "b/2.png", "b/10.png", "b/c/1.JPG"]


def test_a_folder_without_pictures_is_reported(tmp_path: Path) -> None:
    (report,) = detection.pictures([tmp_path])
    assert isinstance(report, PictureReport)
    assert "holds no picture" in report.error


def test_boxes_are_drawn_in_the_colour_of_their_label(models: LoadedModels, picture: Path) -> None:
    report, image = detection.judge_file(picture, *parts(models), min_score=0.05)
    assert image is not None
    drawn = detection.annotate(image, report, threshold=0.5)
    assert drawn.shape == image.shape
    assert drawn[60, 10].tolist() == [54, 67, 244]
    assert image[60, 10].tolist() == list(standins.RED)
    # The faint face's lower border, inside the surer one.
    assert drawn[42, 20].tolist() == [160, 160, 160]


def test_annotated_pictures_of_one_name_do_not_overwrite_each_other(tmp_path: Path) -> None:
    album = AnnotatedPictures(tmp_path / "out")
    image = np.zeros((10, 10, 3), np.uint8)
    paths = [album.save(image, Path(name)) for name in ("x/a.png", "y/a.jpg", "a-2.png")]
    assert len(set(paths)) == 3
    assert all(path.exists() for path in paths)


def test_an_album_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EdgeError, match="cannot be created"):
        AnnotatedPictures(tmp_path / "file" / "out")
