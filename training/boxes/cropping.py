"""Face crops, cut as the edge cuts them."""

from collections.abc import Sequence

import cv2
import numpy as np

from training.records.pictures import Pixels

Box = Sequence[float]


def cut(picture: Pixels, box: Box, margin: float) -> Pixels:
    """Cut a face out of a picture as the edge does.

    Args:
        picture: u8 [H, W, 3].
        box: x0, y0, x1, y1 in pixels.
        margin: Room around the face, as a share of the box's longer side.

    Returns:
        The square around the box's centre with the side longer side x (1 + margin), cut off at the
        picture's border.
    """
    side = max(box[2] - box[0], box[3] - box[1]) * (1 + margin)
    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    x0, y0 = max(0, round(cx - side / 2)), max(0, round(cy - side / 2))
    x1, y1 = (
        min(picture.shape[1], round(cx + side / 2)),
        min(picture.shape[0], round(cy + side / 2)),
    )
    return picture[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]


def fitted(crop: Pixels, size: int) -> Pixels:
    """Return a crop stretched to a square of `size` pixels, u8 [S, S, 3]."""
    shrink = cv2.INTER_AREA if max(crop.shape[:2]) > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(crop, (size, size), interpolation=shrink), np.uint8)
