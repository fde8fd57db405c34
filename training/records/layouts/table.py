"""A table: a CSV file with a row for each picture or each face, under headers that people use."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from training.records.crop_index import is_index
from training.records.label_names import normalised
from training.records.layouts.set_reader import SetReader, within
from training.records.record import FaceRecord, Record
from training.records.splits import FOLDERS

_FILES = (
    *("file", "filename", "file_name", "path", "filepath", "file_path", "image", "img"),
    *("image_path", "image_name", "picture", "image_id", "name"),
)
_LABELS = ("label", "class", "class_name", "category", "labels", "classes", "mask", "target")
_CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("x0", "y0", "x1", "y1"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
)
_SIZES = (("x", "y", "w", "h"), ("x", "y", "width", "height"), ("left", "top", "width", "height"))
_SPLIT = ("split", "subset", "set", "partition")
_GROUP = ("group", "person", "subject")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table, by what they hold.

    Attributes:
        file: Name of the picture.
        label: Label of the face or of the picture, or None.
        box: Four columns of the box, or none.
        sized: Whether the last two of `box` are width and height, and not a corner.
        split, group: Split and group of the picture, or None.
    """

    file: str
    label: str | None
    box: tuple[str, ...]
    sized: bool
    split: str | None
    group: str | None


def columns_of(header: list[str]) -> Columns | None:
    """Guess from the header of a table what its columns hold.

    Args:
        header: The names; case, spaces and hyphens do not matter.

    Returns:
        The columns; None if no column names a picture, or neither label nor box is there.
    """
    known = {normalised(name): name for name in reversed(header)}

    def first(names: tuple[str, ...]) -> str | None:
        return next((known[n] for n in names if n in known), None)

    def four(choices: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
        return next((tuple(known[n] for n in c) for c in choices if set(c) <= set(known)), ())

    # x0 … x3 are landmarks and not corners.
    corners = () if {"x0", "x2", "x3"} <= set(known) else four(_CORNERS)
    file, label, sizes = first(_FILES), first(_LABELS), four(_SIZES)
    if file is None or not (label or corners or sizes):
        return None
    return Columns(
        file, label, corners or sizes, not corners and bool(sizes), first(_SPLIT), first(_GROUP)
    )


def _rows(path: Path) -> Iterator[dict[str, str]]:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    lines = text.splitlines()
    first = lines[0] if lines else ""
    delimiter = max(",;\t", key=first.count)
    for row in csv.DictReader(lines, delimiter=delimiter):
        yield {k: v or "" for k, v in row.items() if k is not None and isinstance(v, str | None)}


def tables_in(folder: Path) -> list[Path]:
    """Return the CSV files under a folder that name pictures with labels or boxes."""
    return [p for p in sorted(folder.rglob("*.csv")) if not is_index(p) and _is_table(p)]


def _is_table(path: Path) -> bool:
    first = next(_rows(path), None)
    columns = columns_of(list(first)) if first else None
    if columns is None:
        return False
    # A table of other things has a column `name`, too; its rows name no picture.
    return any(Path(row[columns.file]).suffix for row in _rows(path))


def read_tables(reader: SetReader, tables: list[Path]) -> list[Record]:
    """Read the tables of a set.

    Without a box, a row is a picture of one face; with boxes, a picture may have several rows.

    Args:
        reader: The set.
        tables: Its CSV files.

    Returns:
        A record for each picture.
    """
    records: list[Record] = []
    for table in tables:
        records += _read_table(reader, table)
    return reader.finished(records, f"is not named in {', '.join(p.name for p in tables)}")


def _read_table(reader: SetReader, table: Path) -> list[Record]:
    by_file: dict[str, list[dict[str, str]]] = defaultdict(list)
    columns: Columns | None = None
    for row in _rows(table):
        columns = columns or columns_of(list(row))
        if columns is not None and row[columns.file].strip():
            by_file[row[columns.file].strip()].append(row)
    records = []
    for name, rows in by_file.items():
        if columns is not None:
            record = _read_rows(reader, table, columns, name, rows)
            if record is not None:
                records.append(record)
    return records


def _read_rows(
    reader: SetReader, table: Path, columns: Columns, name: str, rows: list[dict[str, str]]
) -> Record | None:
    """Return the record of one picture, from its rows."""
    path = reader.find(name, table.parent, table.parent / "images", reader.folder)
    if path is None:
        reader.problems.append(f"{name}: named in {table} but not there; left out")
        return None
    if path in reader.seen:
        reader.problems.append(f"{path}: named a second time in {table}; the first one counts")
        return None
    labels = {row[columns.label] for row in rows} if columns.label else set()
    if not columns.box and len(labels) != 1:
        reader.seen.add(path)
        reader.problems.append(f"{path}: has {len(labels)} labels in {table}; left out")
        return None
    picture = reader.open(path)
    if picture is None:
        return None
    split = FOLDERS.get(rows[0][columns.split].strip().lower()) if columns.split else None
    if split:
        reader.splits[path.relative_to(reader.folder)] = split
    key = rows[0][columns.group].strip() if columns.group else ""
    key = key or path.relative_to(reader.folder).with_suffix("").as_posix()
    if not columns.box:
        label = reader.labels.label(labels.pop(), table)
        return reader.crop(path, picture, label, key) if label else None
    height, width = picture.shape[:2]
    faces = []
    for row in rows:
        if not any(row[c].strip() for c in columns.box):
            continue
        numbers = _corners(row, columns, width, height)
        box = within(numbers, width, height, f"{table}, {name}", reader.problems)
        if box is not None and columns.label and row[columns.label].strip():
            faces.append(reader.face(box, row[columns.label], table))
        elif box is not None:
            faces.append(FaceRecord(box))
    return reader.scene(path, picture, faces, key)


def _corners(row: Mapping[str, str], columns: Columns, width: int, height: int) -> list[float]:
    """Return x0, y0, x1, y1 in pixels; nothing if the row's box is not four numbers."""
    try:
        a, b, c, d = (float(row[name]) for name in columns.box)
    except ValueError:
        return []
    if columns.sized:
        c, d = a + c, b + d
    if max(abs(v) for v in (a, b, c, d)) <= 1.0:
        # Shares of the picture: a box of one pixel would be of no use.
        return [a * width, b * height, c * width, d * height]
    return [a, b, c, d]
