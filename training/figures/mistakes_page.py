"""A page of wrong verdicts: a picture of each face, its file, its label and what the model said."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from training.records.pictures import Pixels
from training.storage import atomic_write

MOST = 400
"""Most mistakes that a page shows; the page says how many it leaves out."""

_LONGEST = 160
"""Longer side in pixels of a face on the page."""


class MistakeKind(StrEnum):
    """What a mistake does at a door."""

    ADMITTED = "let in by mistake"
    REFUSED = "refused by mistake"
    MISSED = "not found, or not judged"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A face with a wrong verdict.

    Attributes:
        crop: The face, u8 [H, W, 3] BGR, small.
        file: The picture's file.
        truth: The label of the face.
        said: The label that the model gave; empty where it gave none.
        probability: The probability of with_mask that the model gave, 0…1; None where it gave none.
    """

    crop: Pixels
    file: str
    truth: str
    said: str
    probability: float | None

    @property
    def kind(self) -> MistakeKind:
        """What the mistake does at a door."""
        if not self.said:
            return MistakeKind.MISSED
        return MistakeKind.ADMITTED if self.said == "with_mask" else MistakeKind.REFUSED

    @property
    def severity(self) -> float:
        """How far the probability is from the right one, 0…1; 0 for a face that was not judged."""
        if self.probability is None:
            return 0.0
        return self.probability if self.said == "with_mask" else 1 - self.probability

    @property
    def picture(self) -> str:
        """The face as a URI that the page itself holds."""
        encoded = cv2.imencode(".jpg", self.crop, (cv2.IMWRITE_JPEG_QUALITY, 82))[1]
        return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def thumbnail(crop: Pixels) -> Pixels:
    """Return a small copy of a face, u8 [H, W, 3] BGR, so that thousands fit into memory."""
    scale = min(1.0, _LONGEST / max(crop.shape[:2]))
    size = [max(1, round(side * scale)) for side in crop.shape[1::-1]]
    return np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA), np.uint8)


def write_mistakes(mistakes: Sequence[Mistake], faces: int, title: str, path: Path) -> None:
    """Write the mistakes as one HTML file that holds its pictures and loads nothing.

    People who were let in by mistake come first, then those who were refused, then the faces that
    were not found; within each, the surest mistake comes first.

    Args:
        mistakes: The faces with a wrong verdict.
        faces: The number of faces that were judged or missed.
        title: What was measured.
        path: The page; an earlier one is replaced.

    Raises:
        StorageError: The file cannot be written.
    """
    order = list(MistakeKind)
    ranked = sorted(mistakes, key=lambda m: (order.index(m.kind), -m.severity, m.file))
    shown = ranked[:MOST]
    groups = [(kind, [m for m in shown if m.kind is kind]) for kind in order]
    environment = Environment(
        loader=PackageLoader("training.figures"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    page = environment.get_template("mistakes.html").render(
        title=title,
        faces=faces,
        count=len(ranked),
        left_out=len(ranked) - len(shown),
        groups=[(kind, mine) for kind, mine in groups if mine],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as out:
        # A file name may hold bytes that are no UTF-8.
        out.write(page.encode("utf-8", "backslashreplace"))


def shown_file(path: Path | str) -> str:
    """Return a file's name for people: relative to the working folder where it lies within it."""
    file, here = Path(path), Path.cwd()
    return str(file.relative_to(here)) if file.is_relative_to(here) else str(file)
