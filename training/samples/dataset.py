"""The pictures of a prepared split in memory."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track

from training.errors import EmptyClassError, MissingDataError
from training.records.pictures import Pixels, read_picture
from training.records.record import Record, read_records
from training.samples.synthetic_masks import Points, Template, mean_shape, read_templates

LONGEST = 640
"""Largest longer side of a picture in memory, in pixels; the models see no larger faces."""


@dataclass(frozen=True, slots=True)
class PictureDataset:
    """One split: its records, its pictures, and what is needed to draw masks on bare faces.

    Attributes:
        records: N records, in pixels of `pictures`.
        pictures: N pictures, u8 [H, W, 3] BGR.
        templates: Pictures of masks; there may be none.
        mean: Mean face of 68 landmarks, or None if no face of the split has 68.
    """

    records: list[Record]
    pictures: list[Pixels]
    templates: list[Template]
    mean: Points | None

    def of(self, *sets: str) -> list[int]:
        """Return the places of the records of some sets."""
        return [i for i, r in enumerate(self.records) if r.set in sets]


def _shrunk(record: Record, picture: Pixels) -> tuple[Record, Pixels]:
    longest = max(picture.shape[:2])
    if longest <= LONGEST:
        return record, picture
    scale = LONGEST / longest
    width, height = round(picture.shape[1] * scale), round(picture.shape[0] * scale)
    small = np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    fx, fy = width / picture.shape[1], height / picture.shape[0]
    faces = tuple(
        type(f)(
            (f.box[0] * fx, f.box[1] * fy, f.box[2] * fx, f.box[3] * fy),
            f.label,
            f.ignore,
            tuple((x * fx, y * fy) for x, y in f.points),
        )
        for f in record.faces
    )
    return type(record)(
        record.set,
        record.path,
        record.group,
        record.split,
        width,
        height,
        record.boxed,
        record.crop,
        faces,
    ), small


def load_dataset(
    prepared: Path, split: str, templates: Path | None, sets: set[str] | None = None
) -> PictureDataset:
    """Read the records and the pictures of a split.

    Args:
        prepared: Folder that `prepare` wrote.
        split: `train` or `validation`.
        templates: Folder of mask pictures, or None.
        sets: Only these sets; None for all.

    Returns:
        The split; pictures are no larger than LONGEST.

    Raises:
        MissingDataError: `prepare` has not run, or a picture cannot be read any more.
        EmptyClassError: The split holds no picture.
    """
    records, pictures, shapes = [], [], []
    chosen = [
        r
        for r in read_records(prepared / "records.jsonl")
        if r.split == split and (sets is None or r.set in sets)
    ]
    for record in track(chosen, description=f"pictures of {split}", transient=True):
        picture = read_picture(Path(record.path))
        if picture is None:
            raise MissingDataError(
                f"{record.path} was readable when prepare ran, and now is not; run prepare again"
            )
        kept, small = _shrunk(record, picture)
        records.append(kept)
        pictures.append(small)
        shapes += [np.array(f.points, np.float32) for f in kept.faces if len(f.points) == 68]
    if not records:
        raise EmptyClassError(
            f"{prepared}: the {split} split is empty; add pictures from more sources and run "
            f"prepare again"
        )
    mean = mean_shape(shapes) if shapes else None
    return PictureDataset(records, pictures, read_templates(templates) if templates else [], mean)
