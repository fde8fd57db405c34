"""Picture files, and the array that a picture is in memory."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

PICTURES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}

Pixels = NDArray[np.uint8]


def read_picture(path: Path) -> Pixels | None:
    """Return a picture u8 [H, W, 3] BGR, or None if the file cannot be read as a picture."""
    try:
        data = np.fromfile(path, np.uint8)
    except OSError:
        return None
    if data.size == 0:
        return None
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return None if picture is None else np.asarray(picture, np.uint8)


def pictures_in(folder: Path) -> list[Path]:
    """Return every picture file under a folder, sorted by path."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURES)
