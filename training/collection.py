"""Collected crops on the disk: class folders, and an index that says when, where and how sharp.

The folder is a data set in the class-folder layout; `prepare` reads the index for what folders
cannot say: each face's box in its crop, and which crops belong together.
"""

import csv
import io
import os
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.errors import DamagedIndexError
from training.layouts import Pixels
from training.storage import replacing, unwritable

INDEX = "index.csv"


@dataclass(frozen=True, slots=True)
class Crop:
    """One row of the index.

    Attributes:
        file: `label/name.png`, as it was saved; people may move it into another class folder.
        time: When it was saved, RFC 3339 in UTC.
        source: Camera, address (without its password), video file or folder.
        position: Where in the source: seconds, or a file's name.
        x0, y0, x1, y1: The face's box in the source's picture, in pixels.
        left, top: Where in the source's picture the crop begins, in pixels.
        score: Of the detector, 0…1.
        sharpness: Variance of the Laplacian at 96 px.
        brightness: Mean grey, 0…255.
        label: As it was given.
        hash: 64-bit perceptual hash of the crop, hexadecimal.
        group: Crops of one group show one person at one time: they stay on one side of a split.
    """

    file: str
    time: str
    source: str
    position: str
    x0: float
    y0: float
    x1: float
    y1: float
    left: int
    top: int
    score: float
    sharpness: float
    brightness: float
    label: str
    hash: str
    group: str

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The face's box in the crop, in pixels."""
        left, top = self.left, self.top
        return self.x0 - left, self.y0 - top, self.x1 - left, self.y1 - top


COLUMNS = tuple(f.name for f in fields(Crop))
_TYPES = {float: float, int: int, str: str}


def is_index(path: Path) -> bool:
    """Whether a file begins as an index of ours does."""
    try:
        with path.open(encoding="utf-8") as lines:
            return lines.readline().strip() == ",".join(COLUMNS)
    except (OSError, UnicodeDecodeError):
        return False


def read_index(path: Path) -> list[Crop]:
    """The rows of an index. A last line that was torn by a crash is left out.

    Raises DamagedIndexError.
    """
    if not is_index(path):
        raise DamagedIndexError(
            f"{path} is no index of collected crops; name another folder with --out"
        )
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    crops = []
    for number, row in enumerate(csv.DictReader(io.StringIO(whole)), 2):
        try:
            values = {f.name: _TYPES[f.type](row[f.name]) for f in fields(Crop)}  # type: ignore[index]
            crops.append(Crop(**values))
        except (TypeError, ValueError) as error:
            raise DamagedIndexError(
                f"{path}, line {number}: {error}; mend or remove that line"
            ) from error
    return crops


def _line(values: tuple[object, ...]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(values)
    return out.getvalue()


class Collection:
    """A folder of collected crops that grows by one whole crop at a time.

    A crop that people moved counts in the class folder where it is now; one that they threw out is
    gone for good.

    Only its owner may look into a folder that is made here: it holds faces.

    Args:
        folder: Made where it is missing; gone on with where it is not.

    Raises DamagedIndexError, StorageError.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._index = folder / INDEX
        rows: list[Crop] = []
        if self._index.exists():
            rows = read_index(self._index)
            if not self._index.read_bytes().endswith(b"\n"):
                self._write(rows)
        else:
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            except OSError as error:
                raise unwritable(folder, error) from error
            self._write(rows)
        # What somebody threw out is not collected again.
        self._hashes = [int(row.hash, 16) for row in rows]
        where = {row: self._find(row) for row in rows}
        self.crops = [replace(row, label=p.parent.name) for row, p in where.items() if p]

    def _write(self, rows: list[Crop]) -> None:
        with replacing(self._index) as out:
            out.write("".join(_line(r) for r in (COLUMNS, *map(astuple, rows))).encode())

    def _find(self, crop: Crop) -> Path | None:
        path = self.folder / crop.file
        return path if path.is_file() else next(self.folder.glob(f"*/{path.name}"), None)

    @property
    def hashes(self) -> NDArray[np.uint64]:
        """Of every crop that was ever collected here, [N]."""
        return np.array(self._hashes, np.uint64)

    def count(self, label: str | None = None) -> int:
        """Crops of a label, or all."""
        return sum(label is None or c.label == label for c in self.crops)

    def free_name(self, label: str) -> str:
        """`label/label-00001.png`, with a number that no file there has."""
        number = self.count(label) + 1
        while any(self.folder.glob(f"*/{label}-{number:05}.png")):
            number += 1
        return f"{label}/{label}-{number:05}.png"

    def add(self, picture: Pixels, crop: Crop) -> None:
        """Save the crop's picture, then its row. Raises StorageError: then neither counts."""
        path = self.folder / crop.file
        with replacing(path) as out:
            out.write(cv2.imencode(".png", picture)[1].tobytes())
        try:
            with self._index.open("a", encoding="utf-8") as rows:
                before = rows.tell()
                try:
                    rows.write(_line(astuple(crop)))
                    rows.flush()
                    os.fsync(rows.fileno())
                except OSError:
                    os.truncate(self._index, before)
                    raise
        except OSError as error:
            path.unlink(missing_ok=True)
            raise unwritable(self._index, error) from error
        self.crops.append(crop)
        self._hashes.append(int(crop.hash, 16))
