import shutil
from pathlib import Path

import pytest

from tests.training.tiny import write_classes
from training.errors import UnknownLabelError
from training.records.any_layout import read_any_layout

TWO = ("with_mask", "without_mask")


def as_kaggle(root: Path, splits: tuple[str, ...] = ("Train", "Validation", "Test")) -> None:
    """The folders of Kaggle's Face Mask 12K: capitals, and no underscore."""
    for split in splits:
        write_classes(root / split, 2, TWO)
        (root / split / "with_mask").rename(root / split / "WithMask")
        (root / split / "without_mask").rename(root / split / "WithoutMask")


def test_split_folders_around_class_folders(tmp_path: Path) -> None:
    as_kaggle(tmp_path / "Face Mask Dataset")
    problems: list[str] = []
    records = read_any_layout(tmp_path, "kaggle", problems)
    assert problems == []
    assert {(r.split, r.crop) for r in records} == {
        (split, label) for split in ("train", "validation", "test") for label in TWO
    }
    assert all(r.split_given for r in records)
    assert len(records) == len({r.group for r in records}) == 12


def test_without_a_validation_folder_the_training_pictures_are_divided(tmp_path: Path) -> None:
    as_kaggle(tmp_path, ("Train", "Test"))
    records = read_any_layout(tmp_path, "kaggle", [])
    assert {Path(r.path).parts[-3]: r.split_given for r in records} == {
        "Train": False,
        "Test": True,
    }


def test_mask_pictures_among_class_folders_are_no_class(tmp_path: Path) -> None:
    write_classes(tmp_path, 2, TWO)
    shutil.copytree(tmp_path / "with_mask", tmp_path / "mask_templates")
    problems: list[str] = []
    records = read_any_layout(tmp_path, "mine", problems)
    assert {r.crop for r in records} == set(TWO)
    assert (len(records), problems) == (4, [])


def test_a_folder_that_is_no_class_is_named_with_its_number_of_pictures(tmp_path: Path) -> None:
    write_classes(tmp_path, 3, TWO)
    (tmp_path / "with_mask").rename(tmp_path / "con mascarilla")
    with pytest.raises(UnknownLabelError) as raised:
        read_any_layout(tmp_path, "mine", [])
    assert "'con mascarilla' is unknown: 3 faces in" in str(raised.value)
    assert '--label "con mascarilla=with_mask"' in str(raised.value)
    own = {"con mascarilla": "with_mask"}
    assert {r.crop for r in read_any_layout(tmp_path, "mine", [], own_labels=own)} == set(TWO)


def test_a_folder_to_ignore_and_loose_pictures_are_left_out_and_named(tmp_path: Path) -> None:
    write_classes(tmp_path, 1, TWO)
    shutil.copytree(tmp_path / "with_mask", tmp_path / "hats")
    shutil.copy(tmp_path / "with_mask/000.png", tmp_path / "loose.png")
    problems: list[str] = []
    records = read_any_layout(tmp_path, "mine", problems, own_labels={"hats": "ignore"})
    assert len(records) == 2
    assert [Path(p.split(":")[0]).name for p in problems] == ["000.png", "loose.png"]
    assert all("lies in no folder of a class that is used; left out" in p for p in problems)
