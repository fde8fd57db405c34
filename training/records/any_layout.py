"""A folder in any of the public layouts, read into records."""

from pathlib import Path

from training.errors import MissingDataError, UnknownLayoutError
from training.records.layouts import read_class_folders, read_coco, read_named, read_voc
from training.records.pictures import pictures_in
from training.records.record import Record
from training.records.yolo import is_yolo, read_yolo


def read_any_layout(
    folder: Path, name: str, problems: list[str], lenient: bool = False
) -> list[Record]:
    """Find out which of the five layouts a folder is in, and read it.

    Args:
        folder: A folder of pictures.
        name: Name of the set, for the records.
        problems: A list that gets a line for each file that is left out.
        lenient: Whether an unknown label, or a class without a picture, is only a line in
            `problems`.

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
    for candidate in sorted(folder.glob("*.json")):
        if '"annotations"' in candidate.read_text(encoding="utf-8"):
            return read_coco(candidate, name, problems, lenient)
    if any(folder.rglob("*.xml")):
        return read_voc(folder, name, problems, lenient)
    if is_yolo(folder):
        return read_yolo(folder, name, problems, lenient)
    if any(p.is_dir() for p in folder.iterdir()):
        return read_class_folders(folder, name, problems, lenient=lenient)
    if pictures_in(folder):
        return read_named(folder, name, problems)
    raise UnknownLayoutError(
        f"{folder}: neither COCO (a .json with annotations), VOC (.xml), YOLO (data.yaml or "
        f"classes.txt, and .txt), class folders (with_mask/ without_mask/) nor pictures named for "
        f"their label (with_mask_001.jpg)"
    )
