import json
from pathlib import Path

import cv2
import pytest

from tests.training.tiny import scene, write_classes, write_coco
from training.errors import EmptyClassError, MissingDataError, UnknownLabelError, UnknownLayoutError
from training.records.any_layout import read_any_layout
from training.records.label_names import label_from_file_name


def test_coco_gives_boxes_labels_and_regions_to_ignore(tmp_path: Path) -> None:
    file = write_coco(tmp_path / "set", 3)
    content = json.loads(file.read_text())
    content["annotations"].append(
        {
            "id": 99,
            "image_id": 0,
            "category_id": 4,
            "iscrowd": 1,
            "bbox": [1, 1, 20, 20],
            "area": 400,
        }
    )
    file.write_text(json.dumps(content))
    problems: list[str] = []
    records = read_any_layout(tmp_path / "set", "set", problems)
    assert problems == []
    assert [f.label for f in records[0].faces] == ["with_mask", "without_mask", None]
    assert records[0].faces[2].ignore
    assert not records[0].faces[0].ignore
    assert records[0].faces[0].box == tuple(map(float, scene(0)[1][0][0]))


def test_voc(tmp_path: Path) -> None:
    picture, _ = scene(5)
    cv2.imwrite(str(tmp_path / "a.png"), picture)
    (tmp_path / "a.xml").write_text(
        "<annotation><object><name>mask_weared_incorrect</name><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>50</xmax><ymax>60</ymax>"
        "</bndbox></object></annotation>"
    )
    (record,) = read_any_layout(tmp_path, "voc", [])
    assert (record.faces[0].label, record.faces[0].box) == (
        "incorrect_mask",
        (3.0, 4.0, 50.0, 60.0),
    )


def test_yolo(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("mask\nno_mask\n")
    cv2.imwrite(str(tmp_path / "a.png"), scene(5)[0])
    (tmp_path / "a.txt").write_text("1 0.5 0.5 0.25 0.5\n7 0.5 0.5 0.1 0.1\n")
    problems: list[str] = []
    (record,) = read_any_layout(tmp_path, "yolo", problems)
    assert (record.faces[0].label, record.faces[0].box) == (
        "without_mask",
        (60.0, 30.0, 100.0, 90.0),
    )
    assert len(record.faces) == 1
    assert "7 0.5" in problems[0]


def test_class_folders(tmp_path: Path) -> None:
    write_classes(tmp_path, 2)
    records = read_any_layout(tmp_path, "mine", [])
    assert sorted({r.crop for r in records if r.crop}) == [
        "incorrect_mask",
        "with_mask",
        "without_mask",
    ]
    assert len(records) == 6


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("0012-with-mask", "with_mask"),
        ("WithoutMask_7", "without_mask"),
        ("no_mask_3", "without_mask"),
        ("face_001_mask", "with_mask"),
        ("00012_Mask_Chin", "incorrect_mask"),
        ("MASK1", "with_mask"),
        ("masked_nomask", None),
        ("IMG_0001", None),
    ],
)
def test_a_file_name_carries_the_label_by_its_longest_spelling(
    name: str, label: str | None
) -> None:
    assert label_from_file_name(name) == label


def test_pictures_that_are_named_for_their_label(tmp_path: Path) -> None:
    for name in ("with_mask_1", "no-mask-2", "IMG_3"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), scene(5)[0])
    problems: list[str] = []
    records = read_any_layout(tmp_path, "named", problems)
    assert [r.crop for r in records] == ["without_mask", "with_mask"]
    assert len(problems) == 1
    assert "IMG_3.png: its name carries none of with_mask" in problems[0]
    for path in tmp_path.glob("*mask*.png"):
        path.unlink()
    with pytest.raises(UnknownLabelError, match="rename the pictures"):
        read_any_layout(tmp_path, "named", [])


def test_a_broken_picture_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    write_coco(tmp_path / "set", 3)
    (tmp_path / "set/images/001.png").write_bytes(b"not a picture")
    (tmp_path / "set/images/002.png").unlink()
    problems: list[str] = []
    records = read_any_layout(tmp_path / "set", "set", problems)
    assert len(records) == 1
    assert "001.png" in problems[0]
    assert "not a readable picture" in problems[0]
    assert "002.png" in problems[1]
    assert "not there" in problems[1]


def test_boxes_outside_the_picture_are_cut_or_left_out_and_named(tmp_path: Path) -> None:
    file = write_coco(tmp_path / "set", 1)
    content = json.loads(file.read_text())
    content["annotations"][0]["bbox"] = [-20, 10, 60, 50]
    content["annotations"][1]["bbox"] = [500, 500, 20, 20]
    file.write_text(json.dumps(content))
    problems: list[str] = []
    (record,) = read_any_layout(tmp_path / "set", "set", problems)
    assert [f.box for f in record.faces] == [(0.0, 10.0, 40.0, 60.0)]
    assert "cut off" in problems[0]
    assert "outside the picture of 160x120" in problems[1]


def test_bad_folders_are_named_with_their_mend(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="--data"):
        read_any_layout(tmp_path / "nowhere", "x", [])
    with pytest.raises(UnknownLayoutError, match="class folders"):
        read_any_layout(tmp_path, "x", [])
    (tmp_path / "with_mask").mkdir()
    with pytest.raises(EmptyClassError, match="with_mask"):
        read_any_layout(tmp_path, "x", [])
    (tmp_path / "with_mask").rename(tmp_path / "hats")
    cv2.imwrite(str(tmp_path / "hats/a.png"), scene(1)[0])
    with pytest.raises(UnknownLabelError, match="'hats'"):
        read_any_layout(tmp_path, "x", [])
