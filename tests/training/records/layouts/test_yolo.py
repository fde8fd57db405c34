"""YOLO as people have it: exports with data.yaml and split folders, images/ beside labels/."""

from pathlib import Path

import cv2
import pytest

from tests.training.tiny import scene
from training.errors import MissingDataError
from training.records.any_layout import read_any_layout
from training.records.layouts.yolo import class_names


def put(folder: Path, picture: str, labels: str, text: str) -> None:
    for name in (picture, labels):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / picture), scene(5)[0])
    (folder / labels).write_text(text)


def test_an_export_with_splits_keeps_them(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text("train: ../train/images\nnc: 2\nnames: ['mask', 'no_mask']")
    for split in ("train", "valid", "test"):
        put(tmp_path, f"{split}/images/a.png", f"{split}/labels/a.txt", "1 0.5 0.5 0.25 0.5\n")
    problems: list[str] = []
    records = read_any_layout(tmp_path, "export", problems)
    assert {Path(r.path).parts[-3]: r.split for r in records} == {
        "train": "train",
        "valid": "validation",
        "test": "test",
    }
    assert all(r.split_given for r in records)
    assert len({r.group for r in records}) == 3
    assert all(r.faces[0].label == "without_mask" for r in records)
    assert all(r.faces[0].box == (60.0, 30.0, 100.0, 90.0) for r in records)
    assert problems == []


def test_labels_may_mirror_the_folders_of_images(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text("names:\n  0: with_mask\n  1: without_mask\n")
    put(tmp_path, "images/train/a.png", "labels/train/a.txt", "0 0.5 0.5 0.25 0.5\n")
    put(tmp_path, "images/val/b.png", "labels/val/b.txt", "1 0.5 0.5 0.25 0.5\n")
    records = read_any_layout(tmp_path, "mirrored", [])
    assert [(r.split, r.faces[0].label) for r in records] == [
        ("train", "with_mask"),
        ("validation", "without_mask"),
    ]


def test_a_polygon_becomes_the_box_around_it(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("mask\n")
    put(tmp_path, "a.png", "a.txt", "0 0.5 0.25 0.75 0.5 0.5 0.75 0.375 0.5\n0 0.5 0.5 0.5\n")
    problems: list[str] = []
    (record,) = read_any_layout(tmp_path, "polygons", problems)
    assert [face.box for face in record.faces] == [(60.0, 30.0, 120.0, 90.0)]
    assert "0 0.5 0.5 0.5" in problems[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("names: [", "is not YAML"),
        ("nc: 2", "names no classes"),
        ("names: {1: mask}", "with numbers from 0"),
        ("just words", "names no classes"),
    ],
)
def test_a_data_yaml_without_names_is_named_with_its_mend(
    tmp_path: Path, content: str, said: str
) -> None:
    (tmp_path / "data.yaml").write_text(content)
    with pytest.raises(MissingDataError, match=said) as raised:
        class_names(tmp_path / "data.yaml")
    assert "names: [with_mask, without_mask]" in str(raised.value)
    assert str(tmp_path) in str(raised.value)
