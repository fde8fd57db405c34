"""What `prepare` sees in the pictures themselves: hashes, and how each labelled face looks."""

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
    """One labelled face. `side`: the shorter one, in pixels; see training.looks for the others."""

    label: str
    side: float
    sharpness: float
    brightness: float


@dataclass(frozen=True, slots=True)
class Inspection:
    """Of each record: 64-bit perceptual hash [N], SHA-256 of its file, its labelled faces."""

    hashes: NDArray[np.uint64]
    digests: list[str]
    faces: list[list[FaceQuality]]

    def only(self, kept: list[int]) -> "Inspection":
        """The same of some records."""
        return Inspection(
            self.hashes[kept], [self.digests[i] for i in kept], [self.faces[i] for i in kept]
        )


def labelled_boxes(record: Record) -> list[tuple[str, tuple[float, float, float, float]]]:
    """Label and box of each face that a classifier can learn from."""
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
    """Look at every picture once. One that is cut short gets a line in `problems` and is left
    out.
    """
    kept: list[Record] = []
    hashes: list[int] = []
    digests: list[str] = []
    faces: list[list[FaceQuality]] = []
    for record in track(records, description="looking at pictures", transient=True):
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
