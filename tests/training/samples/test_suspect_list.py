"""A list of suspects is written, read, and kept out of what is trained on."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.training.datasets import boxed_dataset
from training.errors import DamagedIndexError, ExistingListError, MissingDataError
from training.samples.mask_crops import samples_of
from training.samples.suspect_list import Suspect, read_suspects, without, write_suspects


def test_a_suspect_among_many_faces_of_a_picture_alone_has_no_say() -> None:
    dataset = boxed_dataset(4)
    first = dataset.records[0]
    label = str(first.faces[1].label)
    left = without(dataset, [Suspect(first.path, 1, label, "with_mask", 0.01)])
    assert [f.ignore for f in left.records[0].faces] == [False, True]
    assert left.records[1:] == dataset.records[1:]
    before, after = samples_of(dataset)["detection"], samples_of(left)["detection"]
    assert [s for s in before if s not in after] == [
        s for s in before if s.index == 0 and s.box == first.faces[1].box
    ]
    assert without(dataset, []) == dataset


def test_suspects_of_other_pictures_are_refused() -> None:
    with pytest.raises(MissingDataError, match=r"1 of 2 suspects.*face 7 of 0\.png.*anew"):
        without(
            boxed_dataset(2),
            [Suspect("0.png", place, "with_mask", "without_mask", 0.0) for place in (0, 7)],
        )


def test_no_suspect_is_an_empty_file_and_a_sheet(tmp_path: Path) -> None:
    lines, sheet = write_suspects([], [], tmp_path)
    assert list(read_suspects(lines)) == []
    assert cv2.imread(str(sheet)) is not None


@pytest.mark.parametrize("line", ["{", "[]", '{"path": "a.png"}', "7"])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    lines, _ = write_suspects([Suspect("a", 0, "with_mask", "without_mask", 0.0)], [
        np.zeros((4, 4, 3), np.uint8)
    ], tmp_path)  # fmt: skip
    lines.write_text(lines.read_text() + line + "\n")
    with pytest.raises(DamagedIndexError, match=r"suspects\.jsonl, line 2 names no suspect"):
        list(read_suspects(lines))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"gone\.jsonl is not there.*training suspects"):
        list(read_suspects(tmp_path / "gone.jsonl"))


def test_a_list_that_somebody_may_have_edited_is_not_overwritten(tmp_path: Path) -> None:
    found = [Suspect(name, 0, "with_mask", "without_mask", 0.0) for name in "ab"]
    crops = [np.zeros((4, 4, 3), np.uint8)] * 2
    lines, _ = write_suspects(found, crops, tmp_path)
    lines.write_text(lines.read_text().splitlines()[0] + "\n")
    with pytest.raises(ExistingListError, match=r"suspects\.jsonl exists.*rename the file"):
        write_suspects(found, crops, tmp_path)
    assert list(read_suspects(lines)) == found[:1]
