"""A folder in any of the public layouts → records."""

from pathlib import Path

from training.errors import MissingDataError, UnknownLayoutError
from training.records.layouts import read_class_folders, read_coco, read_named, read_voc
from training.records.pictures import pictures_in
from training.records.record import Record
from training.records.yolo import is_yolo, read_yolo


def read_any_layout(
    folder: Path, name: str, problems: list[str], lenient: bool = False
) -> list[Record]:
    """Whichever of the five layouts a folder is in. Raises MissingDataError, UnknownLayoutError,
    UnknownLabelError, EmptyClassError; where `lenient`, the last two are lines in `problems` and
    the rest is read.
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
