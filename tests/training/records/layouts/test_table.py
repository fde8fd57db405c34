from pathlib import Path

import cv2
import pytest

from tests.training.tiny import scene
from training.records.any_layout import read_any_layout
from training.records.layouts.table import columns_of

LANDMARKS = ["file", *(f"{axis}{n}" for n in range(68) for axis in "xy")]


def pictures(folder: Path, *names: str) -> None:
    for n, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), scene(n)[0])


@pytest.mark.parametrize(
    ("header", "file", "label", "box"),
    [
        ("file,label", "file", "label", ()),
        ("Image Path,Class", "Image Path", "Class", ()),
        (
            "filename,width,height,class,xmin,ymin,xmax,ymax",
            "filename",
            "class",
            ("xmin", "ymin", "xmax", "ymax"),
        ),
        ("image,x,y,w,h", "image", None, ("x", "y", "w", "h")),
    ],
)
def test_the_header_says_what_the_columns_hold(
    header: str, file: str, label: str | None, box: tuple[str, ...]
) -> None:
    columns = columns_of(header.split(","))
    assert columns is not None
    assert (columns.file, columns.label, columns.box) == (file, label, box)


@pytest.mark.parametrize("header", [["time", "score"], ["file", "size"], LANDMARKS])
def test_a_table_of_other_things_is_none_of_labels(header: list[str]) -> None:
    assert columns_of(header) is None


def test_paths_and_labels(tmp_path: Path) -> None:
    pictures(tmp_path, "p/a.png", "p/b.png", "p/c.png", "d.png")
    rows = ["path;Label;split", "p/a.png;mask;train", r"C:\pictures\b.png;no mask;val"]
    rows += ["p/c.png;mask;train", "p/c.png;no mask;train", "p/gone.png;mask;train"]
    (tmp_path / "labels.csv").write_text("\ufeff" + "\n".join(rows))
    problems: list[str] = []
    records = read_any_layout(tmp_path, "table", problems)
    assert [(Path(r.path).name, r.crop, r.split) for r in records] == [
        ("a.png", "with_mask", "train"),
        ("b.png", "without_mask", "validation"),
    ]
    text = "\n".join(problems)
    assert "c.png: has 2 labels in" in text
    assert "p/gone.png: named in" in text
    assert "d.png: is not named in labels.csv; left out" in text
    assert len(problems) == 3


def test_boxes_in_pixels_and_in_shares(tmp_path: Path) -> None:
    pictures(tmp_path, "train/a.png", "train/b.png")
    (tmp_path / "train/_annotations.csv").write_text(
        "filename,width,height,class,xmin,ymin,xmax,ymax\n"
        "a.png,160,120,mask,10,20,50,70\na.png,160,120,no-mask,80,20,120,70\n"
        "b.png,160,120,mask,0.25,0.5,0.5,1.0\nb.png,160,120,mask,?,20,50,70\n"
    )
    problems: list[str] = []
    first, second = read_any_layout(tmp_path, "table", problems)
    assert [f.label for f in first.faces] == ["with_mask", "without_mask"]
    assert first.faces[0].box == (10.0, 20.0, 50.0, 70.0)
    assert [f.box for f in second.faces] == [(40.0, 60.0, 80.0, 120.0)]
    assert len(problems) == 1
    assert "b.png: a box without four numbers; left out" in problems[0]


def test_rows_without_labels_are_faces_for_a_detector(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png")
    (tmp_path / "index.csv").write_text("image,x,y,w,h\na.png,10,20,40,50\n")
    (record,) = read_any_layout(tmp_path, "table", [])
    assert record.boxed
    assert [(f.box, f.label, f.ignore) for f in record.faces] == [
        ((10.0, 20.0, 50.0, 70.0), None, False)
    ]
