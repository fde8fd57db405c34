"""The YOLO layout, in its three usual shapes.

The labels lie in a .txt beside each picture; or in labels/ beside images/ (`train/images` and
`train/labels`, or `images/train` and `labels/train`); or in an export of an annotation service,
whose data.yaml names the classes and whose folders are the splits.
"""

from collections.abc import Sequence
from pathlib import Path, PurePath

import yaml

from training.errors import MissingDataError
from training.records.layouts.set_reader import SetReader, within
from training.records.pictures import pictures_in
from training.records.record import Record
from training.records.splits import FOLDERS

_LISTINGS = ("data.yaml", "data.yml", "classes.txt", "obj.names", "_darknet.labels")


def listings_in(folder: Path) -> list[Path]:
    """Return the files under a folder that name the classes of YOLO labels, the best first."""
    return [p for n in _LISTINGS for p in sorted(folder.rglob(n))]


def is_yolo(folder: Path) -> bool:
    """Return whether a file in the folder names the classes of YOLO labels."""
    return bool(listings_in(folder))


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
    if listing.suffix not in {".yaml", ".yml"}:
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


def labels_of(picture: Path) -> Path | None:
    """Return the .txt of labels of a picture, beside it or in labels/; None without one."""
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


def _named_splits(folder: Path, listing: Path) -> dict[PurePath, str]:
    """Return the folders and pictures that a data.yaml names as train, val and test.

    An export of an annotation service writes `../train/images` for `train/images` beside the file.

    Args:
        folder: The folder of the set.
        listing: The file that names the classes.

    Returns:
        The split of each folder or picture, relative to `folder`.
    """
    if listing.suffix not in {".yaml", ".yml"}:
        return {}
    content = yaml.safe_load(listing.read_text(encoding="utf-8"))
    base = str(content.get("path") or "") if isinstance(content, dict) else ""
    found: dict[PurePath, str] = {}
    for key in FOLDERS:
        value = content.get(key)
        for text in value if isinstance(value, list) else [value]:
            if not isinstance(text, str):
                continue
            for place in _places(text, listing.parent, listing.parent / base):
                if place.is_relative_to(folder) and place != folder:
                    found[place.relative_to(folder)] = FOLDERS[key]
    return found


def _places(text: str, *bases: Path) -> list[Path]:
    """Return the folder that a split of data.yaml names, or the pictures that its .txt lists."""
    inside = Path(*(p for p in PurePath(text).parts if p not in {"..", ".", "/"}))
    place = next((b / inside for b in bases if (b / inside).exists()), None)
    if place is None or place.is_dir():
        return [place] if place else []
    lines = place.read_text(encoding="utf-8").splitlines() if place.suffix == ".txt" else []
    return [
        p for line in lines if line.strip() for p in _places(line.strip(), place.parent, *bases)
    ]


def read_yolo(reader: SetReader) -> list[Record]:
    """Read the pictures that have a .txt of labels.

    A line is `class cx cy w h`, or, of a segmentation, `class x y x y x y …`, whose bounding box
    is taken. A picture in a folder `train`, `valid` or `test` stays in that split.

    Args:
        reader: The set.

    Returns:
        A record for each picture.

    Raises:
        MissingDataError: No file names the classes.
    """
    folder = reader.folder
    listings = listings_in(folder)
    if not listings:
        raise MissingDataError(
            f"{folder}: no data.yaml or classes.txt names the classes; write one class name a line "
            f"into {folder / 'classes.txt'}"
        )
    listing = listings[0]
    classes = dict(enumerate(class_names(listing)))
    reader.splits |= _named_splits(folder, listing)
    records = []
    for path in pictures_in(folder):
        text = labels_of(path)
        if text is None:
            continue
        picture = reader.open(path)
        if picture is None:
            continue
        height, width = picture.shape[:2]
        faces = []
        for line in filter(str.strip, text.read_text(encoding="utf-8").splitlines()):
            first, *rest = line.split()
            try:
                x0, y0, x1, y1 = _corners([float(v) for v in rest])
                name = classes[int(first)]
            except (ValueError, KeyError):
                reader.problems.append(
                    f"{text}: line {line!r} is not `class cx cy w h` with a class of "
                    f"{listing.name}; left out"
                )
                continue
            pixels = (x0 * width, y0 * height, x1 * width, y1 * height)
            box = within(pixels, width, height, str(text), reader.problems)
            if box is not None:
                faces.append(reader.face(box, name, listing))
        key = path.relative_to(folder).with_suffix("").as_posix()
        records.append(reader.scene(path, picture, faces, key))
    return reader.finished(
        records, "has no .txt of labels (an empty one says that it shows no face)"
    )
