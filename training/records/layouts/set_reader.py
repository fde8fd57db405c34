"""What the readers of all layouts share: the set's folder, its labels, and what is left out."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from training.records.label_names import LabelNames
from training.records.pictures import Pixels, pictures_in, read_picture
from training.records.record import FaceRecord, Record
from training.records.splits import keep_given_splits, split_of

Box = tuple[float, float, float, float]

# Roboflow names each augmented copy `NAME_jpg.rf.HASH.jpg`.
_AUGMENTED = re.compile(r"\.rf\.[0-9A-Za-z]+$")


def within(
    box: Sequence[float], width: int, height: int, where: str, problems: list[str]
) -> Box | None:
    """Cut a box off at the picture's border.

    Args:
        box: x0, y0, x1, y1 in pixels.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.
        where: What `problems` names: the file that holds the box.
        problems: A list that gets a line if the box was cut off by more than 2 pixels, lies outside
            of the picture, or is not four numbers.

    Returns:
        The box inside the picture, or None if less than one pixel of it is there.
    """
    if len(box) != 4 or not all(math.isfinite(v) for v in box):
        problems.append(f"{where}: a box without four numbers; left out")
        return None
    x0, y0, x1, y1 = (float(v) for v in box)
    cut = (max(0.0, x0), max(0.0, y0), min(float(width), x1), min(float(height), y1))
    if cut[2] - cut[0] < 1 or cut[3] - cut[1] < 1:
        problems.append(
            f"{where}: box {[round(v, 1) for v in box]} lies outside the picture of "
            f"{width}x{height}; left out"
        )
        return None
    if max(abs(a - b) for a, b in zip(cut, (x0, y0, x1, y1), strict=True)) > 2:
        problems.append(
            f"{where}: box {[round(v, 1) for v in box]} crosses the border of "
            f"{width}x{height}; cut off"
        )
    return cut


@dataclass(slots=True)
class SetReader:
    """One set while it is read.

    Attributes:
        folder: The folder of the set.
        name: Name of the set, for the records.
        labels: What the names of labels stand for.
        problems: A list that gets a line for everything that is left out.
        seen: The pictures that a reader has looked at.
        splits: Splits that a file of the set gives to folders or pictures, relative to `folder`.
    """

    folder: Path
    name: str
    labels: LabelNames
    problems: list[str]
    seen: set[Path] = field(default_factory=set)
    splits: dict[PurePath, str] = field(default_factory=dict)
    _by_name: dict[str, list[Path]] | None = None

    def open(self, path: Path) -> Pixels | None:
        """Read a picture; None, and a problem, if the file is damaged."""
        self.seen.add(path)
        picture = read_picture(path)
        if picture is None:
            self.problems.append(f"{path}: is not a readable picture; left out")
        return picture

    def find(self, name: str, *places: Path) -> Path | None:
        """Find the picture that a file of labels names.

        Args:
            name: The picture's name, or a path; a path of another machine does, too.
            places: Folders where the picture may lie.

        Returns:
            The picture in one of the places; or else the only one of that name in the whole set.
        """
        relative = PurePath(name.replace("\\", "/"))
        for place in places:
            if not relative.is_absolute() and (place / relative).is_file():
                return place / relative
        if self._by_name is None:
            self._by_name = {}
            for path in pictures_in(self.folder):
                self._by_name.setdefault(path.name, []).append(path)
        candidates = self._by_name.get(relative.name, [])
        return candidates[0] if len(candidates) == 1 else None

    def face(self, box: Box, name: str, where: Path) -> FaceRecord:
        """Return a face with the class that `name` stands for; a region to ignore without one."""
        label = self.labels.label(name, where)
        return FaceRecord(box, label, label is None)

    def scene(
        self, path: Path, picture: Pixels, faces: Iterable[FaceRecord], key: str = ""
    ) -> Record:
        """Return the record of a picture in which every face has a box.

        Args:
            path: The picture's file.
            picture: The picture itself.
            faces: Its faces.
            key: Name of its group within the set; the name of the file if empty.
        """
        height, width = picture.shape[:2]
        group = f"{self.name}/{_AUGMENTED.sub('', key or path.stem)}"
        return Record(
            self.name, str(path), group, split_of(group), width, height, True, None, tuple(faces)
        )

    def crop(self, path: Path, picture: Pixels, label: str, key: str = "") -> Record:
        """Return the record of a picture that is one face and nothing else.

        Args:
            path: The picture's file.
            picture: The picture itself.
            label: One of LABELS.
            key: Name of its group within the set; the name of the file if empty.
        """
        return replace(self.scene(path, picture, (), key), boxed=False, crop=label)

    def finished(self, records: list[Record], unused: str) -> list[Record]:
        """Name the pictures that no reader looked at, and give the others their folders' split.

        Args:
            records: The records of the set.
            unused: Why a picture is left out that no reader looked at.

        Returns:
            The records in their splits.
        """
        self.problems += [
            f"{path}: {unused}; left out"
            for path in pictures_in(self.folder)
            if path not in self.seen
        ]
        return keep_given_splits(records, self.folder, self.splits)
