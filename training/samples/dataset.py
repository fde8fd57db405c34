"""Pictures in memory, and the faces of a split: what the scenes and crops are made from."""

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
"""Pictures are kept no larger: faces in them are then as large as the models ever see."""


@dataclass(frozen=True, slots=True)
class PictureDataset:
    """The records of one split, their pictures (u8 BGR), and what is needed to dress bare faces."""

    records: list[Record]
    pictures: list[Pixels]
    templates: list[Template]
    mean: Points | None

    def of(self, *sets: str) -> list[int]:
        """Indices of the records of some sets."""
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
    """The pictures of a split. `templates` is the folder of mask pictures, if any. Raises
    MissingDataError, EmptyClassError.
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
                f"{record.path} was there when prepare ran and is unreadable now; run prepare again"
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
