"""Pictures in the size that a model sees, as docs/decisions/0001-model-contract.md lays it down."""

from dataclasses import dataclass

import cv2
import numpy as np

from edge.values import Image

FILL = 114
"""Grey of a letterbox's empty part."""

UNALIASED = 1.25
"""Times that a picture may be larger than wanted and still be taken bilinearly as it is."""


def resize(image: Image, width: int, height: int) -> Image:
    """A picture of another size, without aliasing.

    Shrinks by the mean over whole blocks of pixels first, where both sides can be divided so. What
    is left goes bilinearly: as it is up to `UNALIASED`; up to a half blurred by weights of 1, 2, 1
    before, which are as blurred (0.71 pixels) as a picture must be that is to be shrunk 1.74 times,
    if it has 0.5 of its own (Lowe, Distinctive Image Features, 2004, section 3.3); by pixel area
    from there on. From 640×480 that takes under a third of the time of pixel area alone.

    Args:
        image: Any size.
        width: Wanted, in pixels.
        height: Wanted, in pixels.
    """
    if image.shape[:2] == (height, width):
        return image
    most = min(image.shape[1] // width, image.shape[0] // height)
    for factor in range(most, 1, -1):
        if image.shape[0] % factor == 0 and image.shape[1] % factor == 0:
            smaller = (image.shape[1] // factor, image.shape[0] // factor)
            image = np.asarray(cv2.resize(image, smaller, interpolation=cv2.INTER_AREA), np.uint8)
            break
    left = max(image.shape[1] / width, image.shape[0] / height)
    if UNALIASED < left <= 2:
        image = np.asarray(cv2.GaussianBlur(image, (3, 3), 0), np.uint8)
    how = cv2.INTER_AREA if left > 2 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


@dataclass(frozen=True, slots=True)
class Letterbox:
    """A frame that pictures are scaled into, their proportions kept.

    Attributes:
        width: Most pixels across.
        height: Most pixels down.
        multiple: The shown picture is filled up to a multiple of this; 0 fills it up to the whole
            of `width` × `height`.
    """

    width: int
    height: int
    multiple: int

    def shown(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) to which a picture of these sides is scaled."""
        # In 32 bits, as the graph does it: both must round the same way.
        scale = np.minimum(
            np.float32(self.width) / np.float32(width), np.float32(self.height) / np.float32(height)
        )
        sides = (max(1, int(np.rint(np.float32(side) * scale))) for side in (height, width))
        return next(sides), next(sides)

    def canvas(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of what the model gets for a picture of these sides."""
        if self.multiple == 0:
            return self.height, self.width
        down, across = self.shown(height, width)
        return down + -down % self.multiple, across + -across % self.multiple

    def fit(self, image: Image) -> Image:
        """The picture in the upper left corner, grey where nothing is left of it."""
        height, width = self.shown(*image.shape[:2])
        small = resize(image, width, height)
        rows, columns = self.canvas(*image.shape[:2])
        if (rows, columns) == (height, width):
            return small
        filled = cv2.copyMakeBorder(
            small, 0, rows - height, 0, columns - width, cv2.BORDER_CONSTANT, value=(FILL,) * 3
        )
        return np.asarray(filled, np.uint8)
