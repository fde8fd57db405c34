"""The preview sheet: training samples as the network sees them, augmented and with their labels."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.figures.contact_sheets import write_sheet
from training.loop.run import Options, Run
from training.records.pictures import Pixels

SHEET = "samples.png"
"""Name of the sheet in a run's folder."""

SHOWN = 48
"""Crops on the sheet of a classifier."""

Tiles = Sequence[tuple[Pixels, str]]
"""Pictures u8 [H, W, 3] BGR, and their captions."""


def draw_boxes(
    picture: Pixels, boxes: NDArray[np.float32], colour: tuple[float, float, float]
) -> None:
    """Draw boxes [N, 4] in pixels on a picture, in place; boxes without a width are left out."""
    for x0, y0, x1, y1 in boxes[boxes[:, 2] > boxes[:, 0]].round().astype(int).tolist():
        cv2.rectangle(picture, (x0, y0), (x1, y1), colour, 1)


def write_preview(tiles: Tiles, folder: Path) -> Path:
    """Write the sheet of a run.

    Args:
        tiles: The samples.
        folder: The run's folder.

    Returns:
        The sheet's path.

    Raises:
        StorageError: The file cannot be written.
    """
    path = folder / SHEET
    side = max(picture.shape[0] for picture, _ in tiles)
    write_sheet(tiles, path, columns=max(4, 1152 // side), tile=side)
    return path


def preview_alone(tiles: Tiles, run: Run, options: Options) -> Run:
    """Write the sheet beside the folder that the run would have, and say where it is.

    Args:
        tiles: The samples.
        run: The run, which is not begun.
        options: Where the message goes.

    Returns:
        The run, as it was.

    Raises:
        StorageError: The file cannot be written.
    """
    if options.process.is_main:
        folder = run.folder.with_name(f"{run.folder.name}-preview")
        path = write_preview(tiles, folder)
        options.console.print(
            f"{path}: {len(tiles)} samples; look whether labels and boxes are right",
            soft_wrap=True,
            highlight=False,
        )
    return run
