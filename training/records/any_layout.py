"""A folder in any of the public layouts, read into records."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from training.errors import MissingDataError, UnknownLabelError, UnknownLayoutError
from training.records.crop_index import INDEX, is_index
from training.records.label_names import LabelNames, label_from_file_name
from training.records.layouts.class_folders import (
    class_folders,
    inner_folders,
    read_class_folders,
    read_named,
)
from training.records.layouts.coco import coco_files, read_coco
from training.records.layouts.set_reader import SetReader
from training.records.layouts.table import read_tables, tables_in
from training.records.layouts.voc import read_voc
from training.records.layouts.yolo import is_yolo, labels_of, read_yolo
from training.records.pictures import pictures_in
from training.records.record import Record


def layout_of(reader: SetReader) -> str | None:
    """Find out which layout a folder is in.

    Args:
        reader: The set.

    Returns:
        Its name: `COCO`, `VOC`, `YOLO`, `crops of collect`, `table`, `class folders` or `named
        pictures`. None for a folder in none of them.
    """
    folder = reader.folder
    found: Iterator[str] = (
        name
        for name, there in (
            ("COCO", lambda: coco_files(folder)),
            ("VOC", lambda: any(folder.rglob("*.xml"))),
            ("YOLO", lambda: is_yolo(folder)),
            ("crops of collect", lambda: is_index(folder / INDEX)),
            ("table", lambda: tables_in(folder)),
            ("class folders", lambda: class_folders(reader)),
            ("named pictures", lambda: _named(folder)),
        )
        if there()
    )
    return next(found, None)


def _named(folder: Path) -> bool:
    return any(label_from_file_name(p.stem) for p in folder.iterdir() if p.is_file())


def read_layout(reader: SetReader, layout: str, lenient: bool = False) -> list[Record]:
    """Read a folder whose layout is known.

    Args:
        reader: The set.
        layout: One of the names that `layout_of` gives.
        lenient: Whether a class folder may be empty.

    Returns:
        A record for each picture.

    Raises:
        DataError: The labels cannot be read.
    """
    if layout == "COCO":
        return read_coco(reader, coco_files(reader.folder))
    if layout == "table":
        return read_tables(reader, tables_in(reader.folder))
    if layout == "VOC":
        return read_voc(reader)
    if layout == "YOLO":
        return read_yolo(reader)
    if layout == "named pictures":
        return read_named(reader)
    return read_class_folders(reader, lenient=lenient)


def read_any_layout(
    folder: Path,
    name: str,
    problems: list[str],
    lenient: bool = False,
    own_labels: Mapping[str, str] | None = None,
) -> list[Record]:
    """Find out which layout a folder is in, and read it.

    Args:
        folder: A folder of pictures.
        name: Name of the set, for the records.
        problems: A list that gets a line for each file that is left out.
        lenient: Whether an unknown label, or a class without a picture, is only a line in
            `problems`.
        own_labels: What the user's own names of labels stand for.

    Returns:
        A record for each picture.

    Raises:
        MissingDataError: The folder does not exist.
        UnknownLayoutError: The folder is in none of the layouts.
        UnknownLabelError: A label is unknown, and `lenient` is not set.
        EmptyClassError: A class folder holds no picture, and `lenient` is not set.
    """
    if not folder.is_dir():
        raise MissingDataError(f"{folder} is not there; name a folder of pictures with --data")
    reader = SetReader(folder, name, LabelNames(own_labels), problems)
    records = read_layout(reader, layout_of(reader) or fallback_layout(folder), lenient)
    if not lenient:
        reader.labels.check()
    problems += [f"{line}; rename it; such faces are ignored" for line in reader.labels.unknown()]
    return records


def fallback_layout(folder: Path) -> str:
    """Return the layout that a folder was probably meant to be in, to name what is wrong with it.

    Args:
        folder: A folder in none of the layouts.

    Returns:
        `class folders`, for folders of pictures whose names are unknown.

    Raises:
        MissingDataError: Labels in YOLO's layout have no file that names their classes.
        UnknownLabelError: No file name carries a label.
        UnknownLayoutError: There is no picture.
    """
    pictures = pictures_in(folder)
    if any(labels_of(p) for p in pictures):
        raise MissingDataError(
            f"{folder}: there are labels in YOLO's layout, but no data.yaml or classes.txt names "
            f"the classes; write one class name a line into {folder / 'classes.txt'}"
        )
    if any(pictures_in(child) for child in inner_folders(folder)):
        return "class folders"
    if pictures:
        raise UnknownLabelError(
            f"{folder}: no file name carries a label; rename the pictures (with_mask_001.jpg) or "
            "sort them into folders with_mask/ without_mask/ incorrect_mask/"
        )
    raise UnknownLayoutError(
        f"{folder}: neither COCO (a .json with annotations), VOC (.xml), YOLO (data.yaml or "
        f"classes.txt, and .txt), a table (.csv with file and label), class folders (with_mask/ "
        f"without_mask/) nor pictures named for their label (with_mask_001.jpg)"
    )
