"""Pictures of one face each: in a folder for each class, or with the label in the file name."""

from collections.abc import Mapping
from pathlib import Path

from training.errors import EmptyClassError, UnknownLabelError
from training.records.crop_index import INDEX, is_index, read_index
from training.records.label_names import label_from_file_name
from training.records.layouts.set_reader import SetReader, within
from training.records.pictures import TEMPLATES, pictures_in
from training.records.record import LABELS, FaceRecord, Record
from training.records.splits import FOLDERS

_DEEPEST = 4
"""Most folders between a set and its class folders."""


def inner_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted, without hidden ones and mask pictures."""
    return sorted(
        p
        for p in folder.iterdir()
        if p.is_dir() and not p.name.startswith((".", "__")) and p.name != TEMPLATES
    )


def class_folders(reader: SetReader, folder: Path | None = None, depth: int = 0) -> list[Path]:
    """Find the folders under a set that are named for a class, such as `Train/WithMask`.

    Args:
        reader: The set.
        folder: Where to look; None looks in the set's folder.
        depth: Number of folders between the set and `folder`.

    Returns:
        The class folders. A class folder in another one is not listed.
    """
    found = []
    for child in inner_folders(folder or reader.folder):
        if reader.labels.knows(child.name):
            found.append(child)
        elif depth < _DEEPEST:
            found += class_folders(reader, child, depth + 1)
    return found


def unknown_folders(reader: SetReader, folder: Path, known: list[Path]) -> list[Path]:
    """Find the folders of pictures beside class folders whose name is no class.

    Args:
        reader: The set.
        folder: Where to look.
        known: The class folders.

    Returns:
        The folders that hold pictures, and neither name a split nor hold a class folder.
    """
    found = []
    for child in inner_folders(folder):
        if child in known:
            continue
        if child.name.lower() in FOLDERS or any(k.is_relative_to(child) for k in known):
            found += unknown_folders(reader, child, known)
        elif pictures_in(child):
            found.append(child)
    return found


def read_class_folders(
    reader: SetReader, groups: Mapping[str, str] | None = None, lenient: bool = False
) -> list[Record]:
    """Read one folder for each class, in which each picture is one face.

    If `collect` wrote an index into the folder, the index says the group and the box of each crop.

    Args:
        reader: The set. Its labels count the pictures of folders that are named for no class.
        groups: Source of each picture by `class/file`, where that is known.
        lenient: Whether a class may be empty.

    Returns:
        A record for each picture.

    Raises:
        EmptyClassError: A class folder holds no picture, and `lenient` is not set.
    """
    records = []
    known = class_folders(reader)
    for child in unknown_folders(reader, reader.folder, known):
        pictures = pictures_in(child)
        reader.labels.label(child.name, child, len(pictures))
        reader.seen |= set(pictures)
    collected = (
        {Path(c.file).name: c for c in read_index(reader.folder / INDEX)}
        if is_index(reader.folder / INDEX)
        else {}
    )
    for child in known:
        pictures = pictures_in(child)
        label = reader.labels.label(child.name, child, 0)
        if not pictures:
            empty = f"{child}: the class folder holds no picture; fill or remove the folder"
            if not lenient:
                raise EmptyClassError(empty)
            reader.problems.append(empty)
        for path in pictures if label else ():
            picture = reader.open(path)
            if picture is None:
                continue
            height, width = picture.shape[:2]
            key = path.relative_to(reader.folder).as_posix()
            crop = collected.get(path.name)
            record = reader.crop(
                path, picture, str(label), crop.group if crop else (groups or {}).get(key, key)
            )
            box = within(crop.box, width, height, key, reader.problems) if crop else None
            records.append(record.with_faces((FaceRecord(box, label),)) if box else record)
    return reader.finished(records, "lies in no folder of a class that is used")


def read_named(reader: SetReader) -> list[Record]:
    """Read pictures of one face each whose file names carry the label.

    Args:
        reader: The set.

    Returns:
        A record for each picture whose name carries a label.

    Raises:
        UnknownLabelError: No file name carries a label.
    """
    records = []
    for path in pictures_in(reader.folder):
        label = label_from_file_name(path.stem)
        picture = reader.open(path) if label else None
        if label and picture is not None:
            records.append(reader.crop(path, picture, label))
    if not records:
        raise UnknownLabelError(
            f"{reader.folder}: no file name carries a label; rename the pictures "
            "(with_mask_001.jpg) or sort them into folders with_mask/ without_mask/ "
            "incorrect_mask/"
        )
    return reader.finished(records, f"its name carries none of {', '.join(LABELS)}")
