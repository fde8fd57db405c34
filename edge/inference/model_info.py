"""The metadata of a model, as its file or its sidecar has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge.errors import ModelUnfitError
from edge.manifest import MEND


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The metadata of a model, as the file has it in `rt_info/model_info`.

    Attributes:
        values: Text by key.
        path: Of the model's file, for error messages.
    """

    values: Mapping[str, str]
    path: Path

    def text(self, key: str) -> str:
        """Return a value as it is written."""
        return self.values[key]

    def number(self, key: str) -> float:
        """Return a value as a number.

        Args:
            key: One of `values`.

        Returns:
            The number.

        Raises:
            ModelUnfitError: The value is not a number.
        """
        try:
            return float(self.values[key])
        except ValueError as error:
            raise ModelUnfitError(
                f"model {self.path}: model_info/{key} is {self.values[key]!r}, not a number", MEND
            ) from error

    def size(self) -> tuple[int, int]:
        """Return `input_size`.

        Returns:
            (width, height) in pixels.

        Raises:
            ModelUnfitError: The key is missing, or its value is not two whole numbers over 0.
        """
        text = self.values.get("input_size", "")
        sides = text.split()
        if len(sides) != 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
            raise ModelUnfitError(
                f"model {self.path}: model_info/input_size is {text!r}, not width and height", MEND
            )
        return int(sides[0]), int(sides[1])

    def fraction(self, key: str) -> float:
        """Return a value as a number between 0 and 1.

        Args:
            key: One of `values`.

        Returns:
            The number, 0…1.

        Raises:
            ModelUnfitError: The value is not a number, or outside of 0…1.
        """
        value = self.number(key)
        if not 0.0 <= value <= 1.0:
            raise ModelUnfitError(f"model {self.path}: model_info/{key} is {value}, not 0…1", MEND)
        return value
