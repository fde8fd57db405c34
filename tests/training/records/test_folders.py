"""Every folder that `prepare` is given is read, and what it was taken for is said."""

import shutil
from pathlib import Path

import cv2
import pytest

from tests.training.tiny import scene, write_classes, write_coco
from training.errors import MissingDataError, UnknownLabelError
from training.records.folders import UNLABELLED, SetFolder, read_folders
from training.records.label_names import LabelNames

TWO = ("with_mask", "without_mask")


def read(data: Path, *validation: Path, problems: list[str] | None = None) -> dict[str, SetFolder]:
    labels = LabelNames()
    lines = [] if problems is None else problems
    found = {f.name: f for f in read_folders(data, labels, validation, lines)}
    labels.check()
    return found


def test_an_own_folder_beside_a_public_set_is_read(tmp_path: Path) -> None:
    write_coco(tmp_path / "detection", 2)
    write_classes(tmp_path / "mine", 2, TWO)
    write_classes(tmp_path / "crops", 2, TWO)
    (tmp_path / "plain").mkdir()
    cv2.imwrite(str(tmp_path / "plain/DSC1.png"), scene(7)[0])
    (tmp_path / "notes").mkdir()
    (tmp_path / "plain/DSC2.heic").write_bytes(b"heic")
    cv2.imwrite(str(tmp_path / "loose.png"), scene(8)[0])
    problems: list[str] = []
    found = read(tmp_path, problems=problems)
    assert {name: (f.taken_for, len(f.records)) for name, f in found.items()} == {
        # The user's crops/ has no index of the public set, and so is not that set.
        "crops-own": ("class folders", 4),
        "detection": ("the public set detection", 2),
        "mine": ("class folders", 4),
        "notes": ("no pictures", 0),
        "plain": (UNLABELLED, 1),
    }
    assert [p.name for p in found["plain"].unread] == ["DSC2.heic"]
    assert any("DSC2.heic: files of the kind .heic are not read; left out" in p for p in problems)
    assert any("loose.png: lies outside of the folders of the sets" in p for p in problems)


def test_a_folder_of_own_sets_in_different_layouts(tmp_path: Path) -> None:
    write_coco(tmp_path / "web", 2)
    write_classes(tmp_path / "door", 2, TWO)
    found = read(tmp_path)
    assert {name: f.taken_for for name, f in found.items()} == {
        "web": "COCO",
        "door": "class folders",
    }


def test_class_folders_of_unknown_names_are_one_set_and_not_many(tmp_path: Path) -> None:
    write_classes(tmp_path, 2, TWO)
    (tmp_path / "with_mask").rename(tmp_path / "con mascarilla")
    (tmp_path / "without_mask").rename(tmp_path / "sin mascarilla")
    with pytest.raises(UnknownLabelError) as raised:
        read(tmp_path)
    assert "'con mascarilla'" in str(raised.value)
    assert "'sin mascarilla'" in str(raised.value)


def test_a_folder_for_validation_alone_is_never_for_training(tmp_path: Path) -> None:
    write_coco(tmp_path / "data/detection", 20)
    write_classes(tmp_path / "data/elsewhere", 10, TWO)
    write_classes(tmp_path / "data/foreign_validation", 10, TWO)
    shutil.copytree(tmp_path / "data/elsewhere", tmp_path / "outside")
    found = read(tmp_path / "data", tmp_path / "data/elsewhere", tmp_path / "outside")
    assert set(found) == {"detection", "elsewhere", "foreign_validation", "outside"}
    for name in ("elsewhere", "foreign_validation", "outside"):
        assert {(r.split, r.split_given) for r in found[name].records} == {("validation", True)}
        assert found[name].split == "validation"
        assert len(found[name].records) == 20


def test_a_folder_that_is_not_there_is_named_with_its_option(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="with --data"):
        read(tmp_path / "nowhere")
    write_classes(tmp_path / "mine", 1)
    with pytest.raises(MissingDataError, match="with --validation"):
        read(tmp_path / "mine", tmp_path / "nowhere")
