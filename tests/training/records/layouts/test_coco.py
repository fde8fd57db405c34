"""COCO as annotation services export it, and with what breaks in it."""

import json
from pathlib import Path

import cv2
import pytest

from tests.training.tiny import scene
from training.errors import UnknownLabelError, UnknownLayoutError
from training.records.any_layout import read_any_layout

CATEGORIES = [{"id": 0, "name": "faces"}, {"id": 1, "name": "mask"}, {"id": 2, "name": "no-mask"}]


def annotation(category: int = 1, image: int = 1, **more: object) -> dict[str, object]:
    return {"id": 7, "image_id": image, "category_id": category, "iscrowd": 0, **more}


def write(file: Path, pictures: list[str], annotations: list[dict[str, object]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    images = [{"id": n, "file_name": name} for n, name in enumerate(pictures, 1)]
    for number, name in enumerate(pictures):
        cv2.imwrite(str(file.parent / name), scene(number + len(str(file)))[0])
    content = {"images": images, "categories": CATEGORIES, "annotations": annotations}
    file.write_text(json.dumps(content))


def test_an_export_of_roboflow_keeps_its_splits(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        file = tmp_path / split / "_annotations.coco.json"
        write(file, ["a_jpg.rf.0a1b2c.jpg"], [annotation(bbox=[5, 6, 40, 50])])
    records = read_any_layout(tmp_path, "export", [])
    assert {Path(r.path).parent.name: r.split for r in records} == {
        "train": "train",
        "valid": "validation",
        "test": "test",
    }
    assert len({r.group for r in records}) == 3
    assert all(r.faces[0].box == (5.0, 6.0, 45.0, 56.0) for r in records)


def test_the_name_of_the_file_says_the_split(tmp_path: Path) -> None:
    for split in ("train", "val"):
        write(tmp_path / "annotations" / f"instances_{split}2024.json", [f"{split}.png"], [])
        (tmp_path / "images" / split).mkdir(parents=True)
        place = tmp_path / "annotations" / f"{split}.png"
        place.rename(tmp_path / "images" / split / place.name)
    problems: list[str] = []
    records = read_any_layout(tmp_path, "coco", problems)
    assert [(Path(r.path).name, r.split) for r in records] == [
        ("train.png", "train"),
        ("val.png", "validation"),
    ]
    assert problems == []


def test_augmented_copies_of_one_picture_are_one_group(tmp_path: Path) -> None:
    names = ["a_jpg.rf.0a1b.jpg", "a_jpg.rf.2c3d.jpg", "b_jpg.rf.4e5f.jpg"]
    write(tmp_path / "train" / "_annotations.coco.json", names, [])
    groups = [r.group for r in read_any_layout(tmp_path, "export", [])]
    assert groups[0] == groups[1] != groups[2]


@pytest.mark.parametrize(
    "outline",
    [
        {"size": [120, 160], "counts": [10 * 120 + 20, 30, 90, 30, 149 * 120 - 140 - 30]},
        [[10, 20, 12, 20, 12, 50, 10, 50]],
    ],
)
def test_an_outline_without_a_box_gives_the_box_around_it(tmp_path: Path, outline: object) -> None:
    write(tmp_path / "c.json", ["a.png"], [annotation(segmentation=outline)])
    (record,) = read_any_layout(tmp_path, "rle", [])
    assert [f.box for f in record.faces] == [(10.0, 20.0, 12.0, 50.0)]


def test_what_does_not_fit_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    annotations = [
        annotation(bbox=[5, 6, 40, 50]),
        annotation(9, bbox=[50, 6, 40, 50]),
        annotation(bbox=[]),
        annotation(bbox=["?", 1, 2, 3]),
        annotation(image=99, bbox=[5, 6, 40, 50]),
    ]
    write(tmp_path / "c.json", ["a.png"], annotations)
    cv2.imwrite(str(tmp_path / "extra.png"), scene(3)[0])
    problems: list[str] = []
    (record,) = read_any_layout(tmp_path, "set", problems)
    assert [(f.label, f.ignore) for f in record.faces] == [("with_mask", False), (None, True)]
    text = "\n".join(problems)
    assert "1 annotations have category 9, which `categories` does not name" in text
    assert text.count("has no box and no outline") == 2
    assert "1 annotations are of pictures that `images` does not name" in text
    assert "extra.png: is not named in c.json; left out" in text
    assert len(problems) == 5


def test_an_unknown_category_counts_only_where_a_face_has_it(tmp_path: Path) -> None:
    write(tmp_path / "c.json", ["a.png"], [annotation(1, bbox=[5, 6, 40, 50])])
    assert len(read_any_layout(tmp_path, "set", [])) == 1
    write(tmp_path / "c.json", ["a.png"], [annotation(0, bbox=[5, 6, 40, 50])] * 2)
    with pytest.raises(UnknownLabelError, match="'faces' is unknown: 2 faces in"):
        read_any_layout(tmp_path, "set", [])
    (record,) = read_any_layout(tmp_path, "set", [], own_labels={"faces": "without_mask"})
    assert {f.label for f in record.faces} == {"without_mask"}


@pytest.mark.parametrize(
    "text", ['{"images": [], "annotations": [', '{"images": {}, "annotations": []}']
)
def test_a_damaged_file_is_named_with_its_mend(tmp_path: Path, text: str) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(UnknownLayoutError, match=r"c\.json is not (JSON|COCO).*export the set"):
        read_any_layout(tmp_path, "set", [])
