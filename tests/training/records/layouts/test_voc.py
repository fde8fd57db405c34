from pathlib import Path

import cv2

from tests.training.tiny import scene
from training.records.any_layout import read_any_layout

FACE = "<object><name>mask</name>{}</object>"
BOX = "<bndbox><xmin>3</xmin><ymin>4</ymin><xmax>50</xmax><ymax>60</ymax></bndbox>"


def put(picture: Path, objects: str | None) -> None:
    picture.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(picture), scene(len(picture.parts) + len(picture.stem))[0])
    if objects is not None:
        picture.with_suffix(".xml").write_text(f"<annotation>{objects}</annotation>")


def test_a_picture_without_xml_is_named_and_never_taken_for_background(tmp_path: Path) -> None:
    put(tmp_path / "a.png", FACE.format(BOX))
    put(tmp_path / "bb.png", None)
    (tmp_path / "gone.xml").write_text("<annotation/>")
    problems: list[str] = []
    records = read_any_layout(tmp_path, "voc", problems)
    assert [Path(r.path).name for r in records] == ["a.png"]
    assert any("bb.png: has no .xml of its name; left out" in p for p in problems)
    assert any("gone.xml: its picture is not there; left out" in p for p in problems)


def test_a_face_without_a_box_is_named_and_is_not_the_whole_picture(tmp_path: Path) -> None:
    broken = BOX.replace("<xmax>50</xmax>", "<xmax>fifty</xmax>")
    put(tmp_path / "a.png", FACE.format(BOX) + FACE.format("") + FACE.format(broken))
    problems: list[str] = []
    (record,) = read_any_layout(tmp_path, "voc", problems)
    assert [f.box for f in record.faces] == [(3.0, 4.0, 50.0, 60.0)]
    assert len(problems) == 2
    assert all("a.xml: a box without four numbers; left out" in p for p in problems)


def test_equal_names_in_the_folders_of_an_export_are_different_pictures(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        put(tmp_path / split / "a.png", FACE.format(BOX))
    records = read_any_layout(tmp_path, "voc", [])
    assert [(Path(r.path).parent.name, r.split) for r in records] == [
        ("train", "train"),
        ("valid", "validation"),
    ]
    assert len({r.group for r in records}) == 2
