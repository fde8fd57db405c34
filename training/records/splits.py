"""The splits of a prepared set: `train`, `validation` and, where there is one, `test`.

A model learns from `train`. Thresholds are chosen on `validation`, and figures are taken on `test`
if that split exists. The user's own folders give a picture its split, or else the hash of its
group does.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePath

from training.records.record import Record

VALIDATION_PERCENT = 15
"""Share of the groups that is kept for validation, in per cent."""

STRICTNESS = {"train": 0, "validation": 1, "test": 2}
"""The splits; of two equal pictures, the one in the stricter split stays there."""

FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""Names of folders that say the split of the pictures in them, in small letters."""


def split_of(group: str, test_share: float = 0.0) -> str:
    """Return the split of a group: `train`, `validation` or `test`.

    The split depends on the name of the group alone, so that it is the same on every machine.

    Args:
        group: The name of the group.
        test_share: Share of the groups, 0…1, that is kept for `test`. The others are divided as
            they are without a test split.

    Returns:
        The split.
    """
    digest = hashlib.sha256(group.encode()).digest()
    if int.from_bytes(digest[4:8], "big") < test_share * 2**32:
        return "test"
    bucket = int.from_bytes(digest[:4], "big") % 100
    return "validation" if bucket < VALIDATION_PERCENT else "train"


def split_of_folders(parts: Iterable[str]) -> str | None:
    """Return the split that the first telling folder name gives, or None."""
    return next((FOLDERS[part.lower()] for part in parts if part.lower() in FOLDERS), None)


def split_of_set_name(name: str) -> str | None:
    """Return `validation` or `test` if the last word of a set's name says so.

    Such a set is kept out of training as a whole: `foreign_validation`, for example.
    """
    last = re.split(r"[^a-z]+", name.lower())[-1]
    split = FOLDERS.get(last)
    return None if split == "train" else split


def keep_given_splits(
    records: list[Record], folder: Path, named: Mapping[PurePath, str]
) -> list[Record]:
    """Put the pictures of a set into the splits that its folders name.

    Args:
        records: The pictures.
        folder: The folder of the set.
        named: Splits that a file of the set gives to folders or pictures, relative to `folder`.

    Returns:
        The same pictures in the same order.
    """
    paths = [Path(r.path).relative_to(folder) for r in records]
    given = given_splits(paths, named)
    return [
        kept_in(r, given[path]) if path in given else r
        for r, path in zip(records, paths, strict=True)
    ]


def kept_in(record: Record, split: str) -> Record:
    """Return the same picture in a split that it keeps, in a group of that split."""
    group = f"{record.set}/{split}/{record.group.removeprefix(record.set + '/')}"
    return replace(record, split=split, group=group, split_given=True)


def given_splits(paths: Iterable[PurePath], named: Mapping[PurePath, str]) -> dict[PurePath, str]:
    """Decide which pictures of a set keep the split that their folders name.

    A set without a validation folder has its training pictures divided by `prepare`: they are
    left out of the answer.

    Args:
        paths: The pictures, relative to the set's folder.
        named: Splits that a file of the set gives to folders or pictures, relative to the set's
            folder.

    Returns:
        The split of each picture that keeps one.
    """
    found: dict[PurePath, str] = {}
    for path in paths:
        listed = next((named[p] for p in (path, *path.parents) if p in named), None)
        split = listed or split_of_folders(path.parts[:-1])
        if split:
            found[path] = split
    if "validation" not in found.values():
        return {path: split for path, split in found.items() if split != "train"}
    return found
