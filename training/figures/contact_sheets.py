"""Contact sheets: many small pictures on one."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from training.records.pictures import Pixels
from training.storage import atomic_write

MOST = 120
"""Most tiles on one sheet."""
_TILE, _CAPTION = 96, 16


def spread(count: int, most: int = MOST) -> list[int]:
    """Return the places of at most `most` of `count` things, evenly spread."""
    places = np.linspace(0, count - 1, min(count, most))
    return sorted({round(float(place)) for place in places})


def write_sheet(
    tiles: Sequence[tuple[Pixels, str]], path: Path, columns: int = 12, *, tile: int = _TILE
) -> None:
    """Write pictures and their captions as one PNG, row by row.

    Args:
        tiles: Pictures u8 [H, W, 3] BGR of any size, and their captions of at most 15 letters.
        path: Where the PNG goes.
        columns: Tiles in a row.
        tile: Side of a tile in pixels.

    Raises:
        StorageError: The file cannot be written.
    """
    columns = min(columns, max(1, len(tiles)))
    rows = max(1, -(-len(tiles) // columns))
    high = tile + _CAPTION
    sheet = np.full((rows * high, columns * tile, 3), 255, np.uint8)
    for number, (picture, caption) in enumerate(tiles):
        scale = tile / max(picture.shape[:2])
        size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
        shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(picture, size, interpolation=shrink)
        y, x = number // columns * high, number % columns * tile
        sheet[y : y + small.shape[0], x : x + small.shape[1]] = small
        place, font = (x + 2, y + high - 4), cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(sheet, caption[:15], place, font, 0.34, (40, 40, 40), 1, cv2.LINE_AA)
    with atomic_write(path) as out:
        out.write(cv2.imencode(".png", sheet)[1].tobytes())
