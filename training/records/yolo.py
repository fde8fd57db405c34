"""The YOLO layout, in its three usual shapes: a txt beside each picture, labels/ beside images/
(`train/images` and `train/labels`, or `images/train` and `labels/train`), and exports of annotation
services, whose data.yaml names the classes and whose folders are the splits.
"""

from collections.abc import Sequence
from pathlib import Path

import yaml

from training.errors import MissingDataError
from training.records.layouts import known_label, within
from training.records.pictures import pictures_in, read_picture
from training.records.record import FaceRecord, Record, split_of

_LISTINGS = ("data.yaml", "data.yml", "classes.txt", "obj.names")
_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "validation",
}


def _listing(folder: Path) -> Path | None:
    return next((p for n in _LISTINGS for p in sorted(folder.rglob(n))), None)


def is_yolo(folder: Path) -> bool:
    """Whether a file in it names YOLO's classes."""
    return _listing(folder) is not None


def class_names(listing: Path) -> list[str]:
    """The names of the classes, by their index.

    Args:
        listing: One name a line, or a data.yaml whose `names` is a list or maps indices to names.

    Raises:
        MissingDataError: It names no classes.
    """
    text = listing.read_text(encoding="utf-8")
    if listing.suffix == ".txt" or listing.name == "obj.names":
        return [line for line in text.splitlines() if line.strip()]
    mend = f"write `names: [with_mask, without_mask]`, in the order of their numbers, in {listing}"
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = str(error).splitlines()[0]
        raise MissingDataError(f"{listing} is no YAML ({reason}); {mend}") from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not names:
        raise MissingDataError(f"{listing} names no classes, numbered from 0 on; {mend}")
    return [str(name) for name in names]


def _labels_of(picture: Path) -> Path | None:
    beside = picture.with_suffix(".txt")
    if beside.is_file():
        return beside
    parts = list(picture.parts)
    if "images" not in parts[:-1]:
        return None
    last = len(parts) - 2 - parts[-2::-1].index("images")
    file = Path(*parts[:last], "labels", *parts[last + 1 : -1], f"{picture.stem}.txt")
    return file if file.is_file() else None


def _corners(numbers: Sequence[float]) -> tuple[float, float, float, float]:
    """Shares of width and height: of `cx cy w h`, or around a polygon `x y x y x y …`."""
    if len(numbers) == 4:
        cx, cy, w, h = numbers
        return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2
    if len(numbers) >= 6 and len(numbers) % 2 == 0:
        return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
    raise ValueError(f"{len(numbers)} numbers")


def _split(picture: Path, folder: Path, group: str) -> str:
    """As the folders say; by the group's hash where they do not."""
    inside = picture.relative_to(folder).parts[:-1]
    return next((_SPLITS[part.lower()] for part in inside if part.lower() in _SPLITS), "") or (
        split_of(group)
    )


def read_yolo(folder: Path, name: str, problems: list[str], lenient: bool = False) -> list[Record]:
    """Pictures that have a txt of labels. What lies in `valid` or `test` is for validation.

    Lines are `class cx cy w h` or, of segmentation, `class x y x y x y …`, around which a box is
    drawn; what is neither gets a line in `problems`.

    Raises:
        MissingDataError: No file names the classes.
        UnknownLabelError: A class is none that we know, and not `lenient`.
    """
    listing = _listing(folder)
    if listing is None:
        raise MissingDataError(
            f"{folder}: YOLO labels without data.yaml or classes.txt; write one class name a line "
            f"into {folder / 'classes.txt'}"
        )
    labels = {
        index: known_label(n, listing, problems, lenient)
        for index, n in enumerate(class_names(listing))
    }
    records = []
    for path in pictures_in(folder):
        text = _labels_of(path)
        if text is None:
            continue
        picture = read_picture(path)
        if picture is None:
            problems.append(f"{path}: is no readable picture; left out")
            continue
        height, width = picture.shape[:2]
        faces = []
        for line in filter(str.strip, text.read_text(encoding="utf-8").splitlines()):
            first, *rest = line.split()
            try:
                corners = _corners([float(v) for v in rest])
                label = labels[int(first)]
            except (ValueError, KeyError):
                problems.append(
                    f"{text}: line {line!r} is not `class cx cy w h` with a class of "
                    f"{listing.name}; left out"
                )
                continue
            x0, y0, x1, y1 = corners
            pixels = (x0 * width, y0 * height, x1 * width, y1 * height)
            box = within(pixels, width, height, str(text), problems)
            if box is not None:
                faces.append(FaceRecord(box, label, label is None))
        group = f"{name}/{path.relative_to(folder).with_suffix('').as_posix()}"
        split = _split(path, folder, group)
        records.append(
            Record(name, str(path), group, split, width, height, True, None, tuple(faces))
        )
    return records
