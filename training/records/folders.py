"""All folders of pictures that `prepare` is given, each read as the set that it is."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from training.errors import MissingDataError
from training.records.any_layout import fallback_layout, layout_of, read_layout
from training.records.label_names import IGNORE, LabelNames, guess
from training.records.layouts.class_folders import inner_folders
from training.records.layouts.coco import coco_files
from training.records.layouts.set_reader import SetReader
from training.records.layouts.table import tables_in
from training.records.layouts.yolo import labels_of, listings_in
from training.records.pictures import pictures_in, unread_in
from training.records.public_sets import LICENCES, known_set, read_known
from training.records.record import Record
from training.records.splits import FOLDERS, kept_in, split_of_set_name

UNLABELLED = "pictures without labels"
"""What a folder is taken for whose pictures have neither labels nor boxes."""


_PARTS = {"images", "labels", "annotations", "jpegimages", "imagesets", "pictures"}
"""Names of folders that are parts of one set, in small letters."""


@dataclass(frozen=True, slots=True)
class SetFolder:
    """A folder of pictures, and what it was taken for.

    Attributes:
        folder: The folder.
        name: Name of the set, for the records.
        taken_for: A layout, a public set, or why the folder was not read.
        split: The split that all its pictures are in, or None.
        pictures: Number of picture files in it.
        unread: Files that may be meant as pictures, of a kind that is not read.
        records: Its pictures.
    """

    folder: Path
    name: str
    taken_for: str
    split: str | None
    pictures: int
    unread: list[Path]
    records: list[Record]


def read_folders(
    data: Path, labels: LabelNames, validation: Collection[Path], problems: list[str]
) -> Iterator[SetFolder]:
    """Read every folder that `data` holds, and the folders for validation alone.

    `data` is one set if it is in one of the layouts itself, and holds no set by its own name.
    Otherwise each folder in it is a set. A set whose name ends in `validation` or `test` is in
    that split as a whole.

    Args:
        data: The folder.
        labels: What the names of labels stand for; it gets the unknown ones.
        validation: Folders, in or outside of `data`, whose pictures are for validation alone.
        problems: A list that gets a line for everything that is left out.

    Yields:
        Each folder.

    Raises:
        MissingDataError: A folder does not exist.
        DataError: A folder is in no layout, or its labels cannot be read.
    """
    for folder in (data, *validation):
        if not folder.is_dir():
            option = "--data" if folder == data else "--validation"
            raise MissingDataError(
                f"{folder} is not there; name a folder of pictures with {option}"
            )
    alone = {folder.resolve() for folder in validation}
    taken: set[str] = set()
    for top, split in [(data, None), *((folder, "validation") for folder in validation)]:
        folders = _sets_in(top, labels)
        if folders != [top]:
            problems += [
                f"{p}: lies outside of the folders of the sets; left out"
                for p in pictures_in(top)
                if p.parent == top
            ]
        for folder in folders:
            if split is None and folder.resolve() in alone:
                continue
            named = split_of_set_name(folder.name) if folder != top else None
            reader = SetReader(folder, _free_name(folder, taken), labels, problems)
            yield _read(reader, split or named, whole=folder == top)


def _sets_in(folder: Path, labels: LabelNames) -> list[Path]:
    """Return the folders in a folder, if they are sets of their own; else the folder."""
    children = inner_folders(folder)
    if any(known_set(child) for child in children):
        return children
    names = {child.name.lower() for child in children}
    one = (
        len(children) < 2
        or names & (_PARTS | set(FOLDERS))
        or any(labels.knows(name) for name in names)
        or _labelled_by_a_file_in(folder)
    )
    if one:
        return [folder]
    layouts = {layout_of(SetReader(c, c.name, labels, [])) for c in children}
    return children if layouts - {None, "named pictures"} else [folder]


def _labelled_by_a_file_in(folder: Path) -> bool:
    """Return whether a file of labels lies in the folder itself, and not in one of its folders."""
    files = [*coco_files(folder), *tables_in(folder), *folder.glob("*.xml"), *listings_in(folder)]
    return any(file.parent == folder for file in files)


def _free_name(folder: Path, taken: set[str]) -> str:
    """Return a name for a set that no other one has; a user's set never has a public set's name."""
    base = folder.resolve().name
    if base in LICENCES and not known_set(folder):
        base = f"{base}-own"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    taken.add(name)
    return name


def _read(reader: SetReader, split: str | None, whole: bool) -> SetFolder:
    """Read one set; if it is `whole`, the user named nothing else, and it must have labels."""
    folder = reader.folder
    pictures = pictures_in(folder)
    if known_set(folder):
        taken_for, records = f"the public set {folder.name}", read_known(reader)
    elif layout := layout_of(reader):
        taken_for, records = layout, read_layout(reader, layout)
    elif whole:
        taken_for = fallback_layout(folder)
        records = read_layout(reader, taken_for)
    elif not pictures:
        taken_for, records = "no pictures", []
    elif reader.labels.knows(folder.name):
        taken_for, records = f"the class {folder.name}", _of_one_class(reader, pictures)
    elif any(labels_of(p) for p in pictures) or _hints(folder):
        taken_for = fallback_layout(folder)
        records = read_layout(reader, taken_for)
    else:
        taken_for, split = UNLABELLED, split or "train"
        opened = ((path, reader.open(path)) for path in pictures)
        records = [
            replace(reader.scene(path, picture, ()), boxed=False)
            for path, picture in opened
            if picture is not None
        ]
    if split:
        records = [kept_in(record, split) for record in records]
    unread = unread_in(folder)
    reader.problems += [f"{p}: files of the kind {p.suffix} are not read; left out" for p in unread]
    return SetFolder(folder, reader.name, taken_for, split, len(pictures), unread, records)


def _of_one_class(reader: SetReader, pictures: list[Path]) -> list[Record]:
    label = reader.labels.label(reader.folder.name, reader.folder)
    opened = ((path, reader.open(path)) for path in pictures if label)
    return [reader.crop(p, picture, str(label)) for p, picture in opened if picture is not None]


def _hints(folder: Path) -> bool:
    """Return whether a folder in it has an unknown name that says something of masks."""
    return any(guess(child.name) != IGNORE for child in inner_folders(folder))
