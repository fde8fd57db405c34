"""Pictures in the size that a model sees.

docs/decisions/0001-model-contract.md lays the sizes down. The edge does the same before it runs a
model; the code stands twice, because edge and training share no Python.
"""

import cv2
import numpy as np

from training.records.pictures import Pixels

FILL = 114
"""Grey value of a letterbox's empty part, 0…255."""

_UNALIASED = 1.25
"""Largest factor by which bilinear interpolation shrinks a picture without visible aliasing."""


def resized(picture: Pixels, width: int, height: int) -> Pixels:
    """Return a picture in another size, u8 [height, width, 3], without aliasing."""
    if picture.shape[:2] == (height, width):
        return picture
    most = min(picture.shape[1] // width, picture.shape[0] // height)
    for factor in range(most, 1, -1):
        if picture.shape[0] % factor == 0 and picture.shape[1] % factor == 0:
            smaller = (picture.shape[1] // factor, picture.shape[0] // factor)
            picture = np.asarray(
                cv2.resize(picture, smaller, interpolation=cv2.INTER_AREA), np.uint8
            )
            break
    left = max(picture.shape[1] / width, picture.shape[0] / height)
    if _UNALIASED < left <= 2:
        # Weights of 1, 2, 1: see edge.resizing.
        picture = np.asarray(cv2.GaussianBlur(picture, (3, 3), 0), np.uint8)
    how = cv2.INTER_AREA if left > 2 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=how), np.uint8)


def shown(height: int, width: int, size: int) -> tuple[int, int]:
    """Return (height, width) of a picture whose longer side is scaled to `size`."""
    # In 32 bits, as in the graph and at the edge: all three must round alike.
    scale = np.float32(size) / np.float32(max(height, width))
    down, across = (max(1, int(np.rint(np.float32(side) * scale))) for side in (height, width))
    return down, across


def canvas(height: int, width: int, size: int, multiple: int) -> tuple[int, int]:
    """Return (height, width) of the model's input for a picture of these sides."""
    down, across = shown(height, width, size)
    return down + -down % multiple, across + -across % multiple


def letterboxed(picture: Pixels, size: int, multiple: int) -> tuple[Pixels, tuple[float, float]]:
    """Scale a picture to `size`, and fill it up with grey.

    Args:
        picture: u8 [H, W, 3].
        size: Longer side after scaling, in pixels.
        multiple: Both sides of the result are multiples of this.

    Returns:
        The filled picture, and the factors (across, down) from its pixels back to the picture's.
    """
    height, width = shown(picture.shape[0], picture.shape[1], size)
    rows, columns = canvas(picture.shape[0], picture.shape[1], size, multiple)
    small = resized(picture, width, height)
    room = (0, rows - height, 0, columns - width)
    filled = cv2.copyMakeBorder(small, *room, cv2.BORDER_CONSTANT, value=(FILL,) * 3)
    return np.asarray(filled, np.uint8), (picture.shape[1] / width, picture.shape[0] / height)
