"""Picture files, and the array that a picture is in memory."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

PICTURES = {".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff"}
"""Endings of the files that are read as pictures."""

BESIDE = {".json", ".xml", ".txt", ".yaml", ".yml", ".csv", ".names", ".labels", ".md", ".cfg", ""}
"""Endings of files that lie beside pictures and are none."""

TEMPLATES = "mask_templates"
"""Folder of mask pictures (MaskTheFace's) among the sets, which are drawn on bare faces."""

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


def files_in(folder: Path) -> list[Path]:
    """Return every file under a folder, sorted by path, without hidden ones and mask pictures."""
    return sorted(
        p
        for p in folder.rglob("*")
        if not any(part.startswith((".", "__")) for part in p.relative_to(folder).parts)
        and TEMPLATES not in p.relative_to(folder).parts[:-1]
        and p.is_file()
    )


def pictures_in(folder: Path) -> list[Path]:
    """Return every picture file under a folder, sorted by path."""
    return [p for p in files_in(folder) if p.suffix.lower() in PICTURES]


def unread_in(folder: Path) -> list[Path]:
    """Return the files under a folder whose kind is not read, though they may be pictures.

    A picture in HEIC is one, and so is a video.
    """
    return [p for p in files_in(folder) if p.suffix.lower() not in PICTURES | BESIDE]
