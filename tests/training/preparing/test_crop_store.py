import csv
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.errors import DamagedIndexError
from training.preparing.crop_store import CropStore
from training.records.crop_index import COLUMNS, INDEX, CollectedCrop, read_index

PICTURE = np.full((40, 30, 3), 99, np.uint8)


def crop_in(collection: CropStore, label: str = "with_mask", seen: int = 0) -> CollectedCrop:
    return CollectedCrop(
        file=collection.free_name(label),
        time="2026-03-01T10:00:00.000Z",
        source="clip, first.mp4",
        position="1.00s",
        x0=10.0,
        y0=12.0,
        x1=30.0,
        y1=42.0,
        left=5,
        top=7,
        score=0.9,
        sharpness=120.5,
        brightness=99.0,
        label=label,
        hash=f"{seen:016x}",
        group="one",
    )


def test_a_collection_is_gone_on_with(tmp_path: Path) -> None:
    first = CropStore(tmp_path / "mine")
    for seen in (1, 2**63):
        first.add(PICTURE, crop_in(first, seen=seen))
    first.add(PICTURE, crop_in(first, "without_mask", 7))
    again = CropStore(tmp_path / "mine")
    assert again.crops == first.crops
    assert again.count() == 3
    assert again.count("with_mask") == 2
    assert again.hashes.tolist() == [1, 2**63, 7]
    assert again.free_name("with_mask") == "with_mask/with_mask-00003.png"
    assert again.crops[0].box == (5.0, 5.0, 25.0, 35.0)
    with (tmp_path / "mine" / INDEX).open(encoding="utf-8") as rows:
        assert next(csv.DictReader(rows))["source"] == "clip, first.mp4"


def test_only_its_owner_may_look_into_a_folder_of_faces(tmp_path: Path) -> None:
    CropStore(tmp_path / "mine")
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o700


def test_a_crop_that_was_moved_counts_where_it_is_and_one_that_was_thrown_out_stays_out(
    tmp_path: Path,
) -> None:
    first = CropStore(tmp_path)
    for seen in (1, 2):
        first.add(PICTURE, crop_in(first, seen=seen))
    (tmp_path / "incorrect_mask").mkdir()
    (tmp_path / first.crops[0].file).rename(tmp_path / "incorrect_mask/with_mask-00001.png")
    (tmp_path / first.crops[1].file).unlink()
    again = CropStore(tmp_path)
    assert [c.label for c in again.crops] == ["incorrect_mask"]
    assert again.hashes.tolist() == [1, 2]
    # Its number is not given to another face, either.
    assert again.free_name("with_mask") == "with_mask/with_mask-00003.png"


def test_a_row_that_a_crash_tore_is_left_out_and_the_index_mended(tmp_path: Path) -> None:
    first = CropStore(tmp_path)
    for seen in (1, 2):
        first.add(PICTURE, crop_in(first, seen=seen))
    index = tmp_path / INDEX
    index.write_bytes(index.read_bytes()[:-9])
    again = CropStore(tmp_path)
    assert [c.hash for c in again.crops] == [f"{1:016x}"]
    again.add(PICTURE, replace(crop_in(again, seen=3)))
    assert [c.hash for c in read_index(index)] == [f"{1:016x}", f"{3:016x}"]


def test_an_index_that_is_none_of_ours_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / INDEX).write_text("file,label\na.png,with_mask\n")
    with pytest.raises(DamagedIndexError, match="--out"):
        CropStore(tmp_path)
    assert (tmp_path / INDEX).read_text().startswith("file,label\n")
    (tmp_path / INDEX).write_text(",".join(COLUMNS) + "\na,b\n")
    with pytest.raises(DamagedIndexError, match="line 2"):
        CropStore(tmp_path)
