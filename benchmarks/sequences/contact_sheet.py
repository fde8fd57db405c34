"""Contact sheets: a clip at a glance, as one picture."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from benchmarks.sequences.clips import Frame
from edge.errors import SourceError
from edge.values import Image

_COLUMNS, _TILES = 5, 20
_COLOURS = {
    "with_mask": (80, 200, 80),
    "without_mask": (60, 60, 230),
    "incorrect_mask": (0, 170, 255),
}


def contact_sheet(frames: Iterable[Frame]) -> Image:
    """Return 20 frames of a clip, evenly spread over its time, with the true faces.

    Args:
        frames: Of the clip.

    Returns:
        u8 [H, W, 3].
    """
    all_frames = list(frames)
    chosen = np.linspace(0, len(all_frames) - 1, _TILES).round().astype(int)
    tiles = []
    for n in chosen:
        tile = all_frames[n].image.copy()
        for face in all_frames[n].faces:
            corners = (int(face.box.x0), int(face.box.y0)), (int(face.box.x1), int(face.box.y1))
            colour = _COLOURS.get(str(face.label), (150, 150, 150))
            cv2.rectangle(tile, *corners, colour, 2)
        tiles.append(cv2.resize(tile, None, fx=0.45, fy=0.45, interpolation=cv2.INTER_AREA))
    rows = [np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, _TILES, _COLUMNS)]
    return np.asarray(np.vstack(rows), np.uint8)


def save(frames: Iterable[Frame], file: Path) -> None:
    """Write a contact sheet as PNG.

    Raises:
        SourceError: The file cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(file), contact_sheet(frames)):
        raise SourceError(f"{file} cannot be written; choose another folder with --save")
