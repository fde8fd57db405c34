"""The region of interest: the part of a camera's picture in which people are judged."""

from dataclasses import dataclass

import numpy as np

from edge.named_values import named_values
from edge.values import Box, Face, Image

_MARGIN = 0.2
"""Share of the region's sides that the detector sees around it, so that a face at its border is
whole."""

_LEAST = 0.05
"""Least width and height of a region, as a share of the picture."""


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the picture, in shares of the picture's width and height.

    Attributes:
        x: Left border, 0…1.
        y: Upper border, 0…1.
        width: 0…1.
        height: 0…1.
    """

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def parse(cls, text: str) -> "Region":
        """Read a text such as `0.2,0,0.6,1`.

        Args:
            text: x, y, width and height as shares.

        Returns:
            The region.

        Raises:
            ValueError: The text has another form, or the region is not within the picture.
        """
        form = f"{text!r} is no region: write x,y,width,height as shares, such as 0.2,0,0.6,1"
        try:
            x, y, width, height = (float(part) for part in text.split(","))
        except ValueError:
            raise ValueError(form) from None
        # A comparison with NaN is false.
        if not (x >= 0 and y >= 0 and x + width <= 1 + 1e-9 and y + height <= 1 + 1e-9):
            raise ValueError(f"{form}; this region is not within the picture")
        if not (width >= _LEAST and height >= _LEAST):
            raise ValueError(f"{form}; each side is at least {_LEAST}")
        return cls(x, y, width, height)

    def window(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Return x0 y0 x1 y1 in pixels of the part that the detector sees: the region and a margin.

        Args:
            height: Of the picture in pixels.
            width: Of the picture in pixels.
        """
        across, down = _MARGIN * self.width, _MARGIN * self.height
        return (
            max(0, int((self.x - across) * width)),
            max(0, int((self.y - down) * height)),
            min(width, round((self.x + self.width + across) * width)),
            min(height, round((self.y + self.height + down) * height)),
        )

    def holds(self, face: Face, height: int, width: int) -> bool:
        """Return whether the centre of a face is within the region of a picture of this size."""
        x, y = face.box.centre
        return (
            self.x * width <= x <= (self.x + self.width) * width
            and self.y * height <= y <= (self.y + self.height) * height
        )

    def seen(self, image: Image) -> Image:
        """Return the part that the detector sees; it shares the memory of the picture."""
        x0, y0, x1, y1 = self.window(*image.shape[:2])
        return image[y0:y1, x0:x1]

    def blacked_out(self, image: Image) -> Image:
        """Return a copy in which all is black that the detector does not see.

        Faces out there are not found, so a preview could not blur them.
        """
        x0, y0, x1, y1 = self.window(*image.shape[:2])
        copy = np.zeros_like(image)
        copy[y0:y1, x0:x1] = image[y0:y1, x0:x1]
        return copy

    def in_picture(self, faces: list[Face], height: int, width: int) -> list[Face]:
        """Return faces of the part that the detector sees, in pixels of the whole picture."""
        x, y, _, _ = self.window(height, width)
        return [
            Face(Box(b.x0 + x, b.y0 + y, b.x1 + x, b.y1 + y), face.score)
            for face in faces
            for b in [face.box]
        ]


def regions_of(text: str | None, first: str) -> dict[str, Region]:
    """Read the regions of all cameras.

    Args:
        text: One region, for the camera of EDGE_SOURCE; or regions by the names of cameras, such as
            `main=0.2,0,0.6,1 side=0,0,0.5,1`. None for no region.
        first: The name of the camera of EDGE_SOURCE.

    Returns:
        The regions by the names of their cameras.

    Raises:
        ValueError: A region or a name is wrong.
    """
    if text is None:
        return {}
    named = named_values(text) if "=" in text else {first: text}
    return {name: Region.parse(value) for name, value in named.items()}
