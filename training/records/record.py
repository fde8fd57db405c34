"""Records: what `prepare` writes, and what everything else reads.

A record describes one picture and the faces in it.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from training.errors import MissingDataError
from training.storage import atomic_write

LABELS = ("with_mask", "without_mask", "incorrect_mask")
"""The classes, in the order of the classifier's columns."""


@dataclass(frozen=True, slots=True)
class FaceRecord:
    """One face.

    Attributes:
        box: x0, y0, x1, y1 in pixels.
        label: One of LABELS, or None if nobody labelled the face.
        ignore: Whether this is probably a face, but nobody labelled it: neither a positive nor
            background.
        points: Landmarks in pixels: none, five (right eye, left eye, nose tip, right and left
            corner of the mouth, as the person has them), or 68 in iBUG's order.
    """

    box: tuple[float, float, float, float]
    label: str | None = None
    ignore: bool = False
    points: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One picture.

    Attributes:
        set: Name of the set that the picture is from.
        path: The file.
        group: Pictures of one group stay in one split.
        split: `train`, `validation` or `test`.
        width, height: Size in pixels.
        boxed: Whether all faces are listed, so that the rest of the picture is background.
        crop: Label of the whole picture, if the picture is one face and nothing else.
        faces: The faces that are known.
        split_given: Whether the user's own folders gave the split, so that it stays.
        by_people: Whether people drew the boxes, or looked that there is no face. Boxes of
            landmarks or of a teacher train a detector, and do not judge one.
    """

    set: str
    path: str
    group: str
    split: str
    width: int
    height: int
    boxed: bool
    crop: str | None = None
    faces: tuple[FaceRecord, ...] = ()
    split_given: bool = False
    by_people: bool = True

    def with_faces(self, faces: tuple[FaceRecord, ...]) -> "Record":
        """Return the same picture with other faces."""
        return replace(self, faces=faces)

    def moved(self, split: str, group: str) -> "Record":
        """Return the same picture in another split, as a member of another group."""
        return replace(self, split=split, group=group)


def write_records(records: Iterable[Record], path: Path) -> None:
    """Write records as JSON lines; the file appears whole or not at all.

    Raises:
        StorageError: The file cannot be written.
    """
    with atomic_write(path) as out:
        for record in records:
            out.write((json.dumps(asdict(record), separators=(",", ":")) + "\n").encode())


def read_records(path: Path) -> Iterator[Record]:
    """Read the records that `prepare` wrote.

    Args:
        path: The file of JSON lines.

    Yields:
        Each record.

    Raises:
        MissingDataError: The file does not exist.
    """
    if not path.is_file():
        raise MissingDataError(
            f"{path} is not there; run `python -m training prepare` first, or name its "
            f"--prepared folder"
        )
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            raw = json.loads(line)
            faces = tuple(
                FaceRecord(
                    tuple(f["box"]),
                    f["label"],
                    f["ignore"],
                    tuple((p[0], p[1]) for p in f["points"]),
                )
                for f in raw.pop("faces")
            )
            yield Record(**raw, faces=faces)
