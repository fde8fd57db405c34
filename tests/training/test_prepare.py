import json
import shutil
from pathlib import Path

import cv2
from rich.console import Console

from tests.training.tiny import write_classes, write_coco
from training.prepare import prepare
from training.records import read_records

QUIET = Console(quiet=True)


def test_no_group_and_no_near_duplicate_is_in_both_splits(tmp_path: Path) -> None:
    write_classes(tmp_path / "data", 30)
    # Copies, a little brighter, under names of their own: the names alone would spread them over
    # both splits.
    for path in sorted((tmp_path / "data/with_mask").glob("*.png")):
        picture = cv2.imread(str(path))
        assert picture is not None
        copy = path.with_name(f"copy_{path.name}")
        cv2.imwrite(str(copy), cv2.convertScaleAbs(picture, beta=6))
    summary = prepare(tmp_path / "data", tmp_path / "out", None, QUIET)
    records = list(read_records(tmp_path / "out/records.jsonl"))
    splits = {
        Path(r.path).name: r.split
        for r in records
        if "with_mask/" in r.path and "without" not in r.path
    }
    assert all(splits[n] == splits[f"copy_{n}"] for n in splits if not n.startswith("copy_"))
    for group in {r.group for r in records}:
        assert len({r.split for r in records if r.group == group}) == 1
    assert isinstance(summary["moved_to_their_near_duplicates"], int)
    assert summary["moved_to_their_near_duplicates"] > 0


def test_the_same_data_gives_the_same_records(tmp_path: Path) -> None:
    write_coco(tmp_path / "data", 12)
    prepare(tmp_path / "data", tmp_path / "a", None, QUIET)
    prepare(tmp_path / "data", tmp_path / "b", None, QUIET)
    assert (tmp_path / "a/records.jsonl").read_bytes() == (
        tmp_path / "b/records.jsonl"
    ).read_bytes()


def test_named_sets_are_read_in_their_own_layout_and_counted_with_licences(tmp_path: Path) -> None:
    write_coco(tmp_path / "data/detection", 12)
    write_classes(tmp_path / "more", 3)
    shutil.move(tmp_path / "more/without_mask", tmp_path / "data/gender")
    (tmp_path / "data/detection/images/000.png").write_bytes(b"")
    prepare(tmp_path / "data", tmp_path / "out", None, QUIET)
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert set(summary["pictures"]) == {"detection", "gender"}
    assert "UTKFace" in summary["licences"]["gender"]
    assert "000.png" in (tmp_path / "out/problems.txt").read_text()
    assert {r.crop for r in read_records(tmp_path / "out/records.jsonl") if r.set == "gender"} == {
        "without_mask"
    }
