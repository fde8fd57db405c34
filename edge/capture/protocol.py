"""The protocol of an open source."""

from typing import Protocol

from edge.values import Image


class Capture(Protocol):
    """An open source.

    Attributes:
        fps: The source's own frame rate; None if it has none.
        length: Number of all frames; None if it is not known.
        position_s: Time of the last picture within the source, in seconds; None if it has none.
    """

    @property
    def fps(self) -> float | None: ...  # noqa: D102

    @property
    def length(self) -> int | None: ...  # noqa: D102

    @property
    def position_s(self) -> float | None: ...  # noqa: D102

    def read(self) -> Image | None:
        """Return the next picture; None at the end."""

    def close(self) -> None:
        """Close the source."""
