"""What `prepare` measures in each picture: its hashes, and how well its faces can be seen."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from rich.progress import track

from training.records.image_quality import brightness, sharpness
from training.records.perceptual_hash import perceptual_hash
from training.records.record import Record


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """How well one labelled face can be seen.

    Attributes:
        label: One of LABELS.
        side: Shorter side of the face in pixels.
        sharpness: Variance of the Laplacian at 96 px.
        brightness: Mean grey value, 0…255.
    """

    label: str
    side: float
    sharpness: float
    brightness: float


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was measured in N pictures.

    Attributes:
        hashes: 64-bit perceptual hash of each picture, [N].
        digests: SHA-256 of each file, hexadecimal.
        faces: The labelled faces of each picture.
    """

    hashes: NDArray[np.uint64]
    digests: list[str]
    faces: list[list[FaceQuality]]

    def only(self, kept: list[int]) -> "Inspection":
        """Return the same of the pictures at the places `kept`."""
        return Inspection(
            self.hashes[kept], [self.digests[i] for i in kept], [self.faces[i] for i in kept]
        )


def labelled_boxes(record: Record) -> list[tuple[str, tuple[float, float, float, float]]]:
    """Return the label and the box of each face that a classifier can learn from."""
    if record.crop is None:
        return [(f.label, f.box) for f in record.faces if f.label and not f.ignore]
    whole = (0.0, 0.0, float(record.width), float(record.height))
    return [(record.crop, record.faces[0].box if record.faces else whole)]


def _looks(record: Record, grey: NDArray[np.uint8]) -> list[FaceQuality]:
    looks = []
    for label, box in labelled_boxes(record):
        x0, y0, x1, y1 = (round(v) for v in box)
        face = grey[y0:y1, x0:x1]
        if face.size:
            side = min(box[2] - box[0], box[3] - box[1])
            looks.append(FaceQuality(label, side, sharpness(face), brightness(face)))
    return looks


def inspect(records: list[Record], problems: list[str]) -> tuple[list[Record], Inspection]:
    """Open every picture once, and measure it.

    Args:
        records: The pictures.
        problems: A list that gets a line for each picture that cannot be read to its end.

    Returns:
        The records of the readable pictures, and what was measured in them.
    """
    kept: list[Record] = []
    hashes: list[int] = []
    digests: list[str] = []
    faces: list[list[FaceQuality]] = []
    for record in track(records, description="inspecting pictures", transient=True):
        data = Path(record.path).read_bytes()
        try:
            with Image.open(io.BytesIO(data)) as picture:
                seen = perceptual_hash(picture)
                upright = ImageOps.exif_transpose(picture)
                grey = np.asarray(upright.convert("L"), np.uint8)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            problems.append(f"{record.path}: cannot be read to its end ({error}); left out")
            continue
        kept.append(record)
        hashes.append(seen)
        digests.append(hashlib.sha256(data).hexdigest())
        faces.append(_looks(record, grey))
    return kept, Inspection(np.array(hashes, np.uint64), digests, faces)
