"""The YOLO layout, in its three usual shapes.

The labels lie in a .txt beside each picture; or in labels/ beside images/ (`train/images` and
`train/labels`, or `images/train` and `labels/train`); or in an export of an annotation service,
whose data.yaml names the classes and whose folders are the splits.
"""

from collections.abc import Sequence
from pathlib import Path, PurePath

import yaml

from training.errors import MissingDataError
from training.records.layouts import known_label, within
from training.records.pictures import pictures_in, read_picture
from training.records.record import FaceRecord, Record
from training.records.splits import FOLDERS, keep_given_splits, split_of

_LISTINGS = ("data.yaml", "data.yml", "classes.txt", "obj.names")


def _listing(folder: Path) -> Path | None:
    return next((p for n in _LISTINGS for p in sorted(folder.rglob(n))), None)


def is_yolo(folder: Path) -> bool:
    """Return whether a file in the folder names the classes of YOLO labels."""
    return _listing(folder) is not None


def class_names(listing: Path) -> list[str]:
    """Read the names of the classes, in the order of their numbers.

    Args:
        listing: A file of one name a line, or a data.yaml whose `names` is a list, or maps numbers
            to names.

    Returns:
        The names.

    Raises:
        MissingDataError: The file names no classes.
    """
    text = listing.read_text(encoding="utf-8")
    if listing.suffix == ".txt" or listing.name == "obj.names":
        return [line for line in text.splitlines() if line.strip()]
    mend = f"write `names: [with_mask, without_mask]`, in the order of their numbers, in {listing}"
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        reason = str(error).splitlines()[0]
        raise MissingDataError(f"{listing} is not YAML ({reason}); {mend}") from error
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict) and set(names) == set(range(len(names))):
        names = [names[index] for index in range(len(names))]
    if not isinstance(names, list) or not names:
        raise MissingDataError(f"{listing} names no classes with numbers from 0; {mend}")
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
    """Return the corners of a box or of a polygon's bounding box.

    Args:
        numbers: `cx cy w h`, or the polygon `x y x y x y …`, as shares of width and height.

    Returns:
        x0, y0, x1, y1 as shares of width and height.

    Raises:
        ValueError: The numbers are neither.
    """
    if len(numbers) == 4:
        cx, cy, w, h = numbers
        return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2
    if len(numbers) >= 6 and len(numbers) % 2 == 0:
        return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])
    raise ValueError(f"{len(numbers)} numbers")


def _named_splits(folder: Path) -> dict[PurePath, str]:
    """Return the folders that a data.yaml names as train, val and test, relative to `folder`.

    An export of an annotation service writes `../train/images` for `train/images` beside the file.
    """
    listing = _listing(folder)
    if listing is None or listing.suffix == ".txt" or listing.name == "obj.names":
        return {}
    try:
        content = yaml.safe_load(listing.read_text(encoding="utf-8"))
    except yaml.YAMLError:
        return {}
    found: dict[PurePath, str] = {}
    for key, value in content.items() if isinstance(content, dict) else ():
        for text in value if isinstance(value, list) else [value]:
            if str(key) not in FOLDERS or not isinstance(text, str):
                continue
            parts = tuple(p for p in PurePath(text).parts if p not in {"..", ".", "/"})
            bases = (listing.parent, listing.parent / str(content.get("path", "")))
            places = [b / Path(*parts) for b in bases if (b / Path(*parts)).is_dir()]
            if parts and places and places[0].is_relative_to(folder):
                found[places[0].relative_to(folder)] = FOLDERS[str(key)]
    return found


def read_yolo(folder: Path, name: str, problems: list[str], lenient: bool = False) -> list[Record]:
    """Read the pictures that have a .txt of labels.

    A line is `class cx cy w h`, or, of a segmentation, `class x y x y x y …`, whose bounding box
    is taken. A picture in a folder `train`, `valid` or `test` stays in that split.

    Args:
        folder: The folder.
        name: Name of the set.
        problems: A list that gets a line for everything that is left out.
        lenient: Whether faces of an unknown class are regions to ignore.

    Returns:
        A record for each picture.

    Raises:
        MissingDataError: No file names the classes.
        UnknownLabelError: A class is unknown, and `lenient` is not set.
    """
    listing = _listing(folder)
    if listing is None:
        raise MissingDataError(
            f"{folder}: no data.yaml or classes.txt names the classes; write one class name a line "
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
            problems.append(f"{path}: is not a readable picture; left out")
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
        records.append(
            Record(name, str(path), group, split_of(group), width, height, True, None, tuple(faces))
        )
    return keep_given_splits(records, folder, _named_splits(folder))
