from pathlib import PurePath

import pytest

from training.records.splits import given_splits, split_of, split_of_set_name

GROUPS = [f"set/{n}" for n in range(2000)]


def test_a_test_share_leaves_the_other_pictures_where_they_were() -> None:
    with_test = {g: split_of(g, 0.2) for g in GROUPS}
    assert 0.17 < list(with_test.values()).count("test") / len(GROUPS) < 0.23
    assert all(split == split_of(g) for g, split in with_test.items() if split != "test")
    assert "test" not in {split_of(g) for g in GROUPS}


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (("train", "valid", "test"), ("train", "validation", "test")),
        (("Train", "Validation", "Test"), ("train", "validation", "test")),
        (("images/train", "images/val"), ("train", "validation")),
        # Without a validation folder the training pictures are divided.
        (("training", "testing"), (None, "test")),
        (("train",), (None,)),
        (("anna", "bert"), (None, None)),
    ],
)
def test_folders_name_the_split(folders: tuple[str, ...], expected: tuple[str | None, ...]) -> None:
    paths = [PurePath(folder, "a.png") for folder in folders]
    given = given_splits(paths, {})
    assert tuple(given.get(path) for path in paths) == expected


def test_folders_that_a_file_lists_have_its_split() -> None:
    paths = [PurePath("day1/a.png"), PurePath("day2/b.png")]
    named = {PurePath("day1"): "train", PurePath("day2"): "validation"}
    assert given_splits(paths, named) == dict(zip(paths, named.values(), strict=True))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("foreign_validation", "validation"),
        ("own-test", "test"),
        ("my_train", None),
        ("contest", None),
        ("detection", None),
    ],
)
def test_the_last_word_of_a_set_name_keeps_it_out_of_training(name: str, split: str | None) -> None:
    assert split_of_set_name(name) == split
