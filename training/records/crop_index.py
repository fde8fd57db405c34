"""The index of collected crops, a CSV file with a row for each crop."""

import csv
import io
from dataclasses import dataclass, fields
from pathlib import Path

from training.errors import DamagedIndexError

INDEX = "index.csv"


@dataclass(frozen=True, slots=True)
class CollectedCrop:
    """One row of the index.

    Attributes:
        file: `label/name.png`, as it was saved; a person may have moved it to another class folder.
        time: When it was saved, RFC 3339 in UTC.
        source: Camera, address (without its password), video file or folder.
        position: Where in the source: seconds, or a file's name.
        x0, y0, x1, y1: The face's box in the source's picture, in pixels.
        left, top: Where the crop begins in the source's picture, in pixels.
        score: The detector's score, 0…1.
        sharpness: Variance of the Laplacian at 96 px.
        brightness: Mean grey value, 0…255.
        label: The label that the crop was saved under.
        hash: 64-bit perceptual hash of the crop, hexadecimal.
        group: Crops of one group show one person at one time, and stay in one split.
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


COLUMNS = tuple(f.name for f in fields(CollectedCrop))
_TYPES = {float: float, int: int, str: str}


def is_index(path: Path) -> bool:
    """Return whether the first line of a file is the header of an index."""
    try:
        with path.open(encoding="utf-8") as lines:
            return lines.readline().strip() == ",".join(COLUMNS)
    except (OSError, UnicodeDecodeError):
        return False


def read_index(path: Path) -> list[CollectedCrop]:
    """Read the rows of an index.

    The last row is left out if a crash cut it short.

    Args:
        path: The CSV file.

    Returns:
        The rows, in the order of the file.

    Raises:
        DamagedIndexError: The file is no index, or a row holds a bad value.
    """
    if not is_index(path):
        raise DamagedIndexError(
            f"{path} is not an index of collected crops; name another folder with --out"
        )
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    crops = []
    for number, row in enumerate(csv.DictReader(io.StringIO(whole)), 2):
        try:
            values = {f.name: _TYPES[f.type](row[f.name]) for f in fields(CollectedCrop)}  # type: ignore[index]
            crops.append(CollectedCrop(**values))
        except (TypeError, ValueError) as error:
            raise DamagedIndexError(
                f"{path}, line {number}: {error}; correct or remove that line"
            ) from error
    return crops


def line_of(values: tuple[object, ...]) -> str:
    """Return the values as one line of CSV, with its line end."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(values)
    return out.getvalue()
