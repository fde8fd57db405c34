"""The list of suspects: faces whose label is probably wrong.

The list is written for people to look at. They may delete lines; the faces that are left are kept
out of training.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from training.errors import DamagedIndexError, ExistingListError, MissingDataError
from training.figures.contact_sheets import MOST, spread, write_sheet
from training.records.pictures import Pixels
from training.records.record import LABELS
from training.samples.dataset import PictureDataset
from training.storage import atomic_write

LIST = "suspects.jsonl"


@dataclass(frozen=True, slots=True)
class Suspect:
    """A face whose label is probably wrong.

    Attributes:
        path: The picture, as `prepare` recorded it.
        face: Place of the face among those of the picture; 0 where the picture is one face.
        label: What the set says.
        said: What the classifier says.
        probability: What the classifier gives to `label`, 0…1.
    """

    path: str
    face: int
    label: str
    said: str
    probability: float


def refuse_existing_list(folder: Path) -> None:
    """Refuse a folder that holds a list of suspects: somebody may have edited the list.

    Raises:
        ExistingListError: `folder` holds a suspects.jsonl.
    """
    lines = folder / LIST
    if lines.exists():
        raise ExistingListError(
            f"{lines} exists, and somebody may have deleted lines from it; rename the file to keep "
            "it, or delete it, and run the command again"
        )


def write_suspects(
    suspects: Sequence[Suspect], crops: Sequence[Pixels], folder: Path
) -> tuple[Path, Path]:
    """Write the suspects as a list and as a contact sheet.

    The sheet shows at most `contact_sheets.MOST` faces, evenly spread over the list. A caption is
    the number of the line, the label, and what the classifier says.

    Args:
        suspects: A line of suspects.jsonl each.
        crops: The face of each suspect, u8 [H, W, 3] BGR.
        folder: Where the two files go.

    Returns:
        The paths of suspects.jsonl and suspects.png.

    Raises:
        ExistingListError: `folder` holds a suspects.jsonl.
        StorageError: A file cannot be written.
    """
    refuse_existing_list(folder)
    lines, sheet = folder / LIST, folder / "suspects.png"
    with atomic_write(lines) as out:
        for suspect in suspects:
            out.write((json.dumps(asdict(suspect)) + "\n").encode())
    # A caption has room for 15 letters.
    short = dict(zip(LABELS, ("mask", "bare", "wrong"), strict=True))
    chosen = spread(len(suspects), MOST) if suspects else []
    write_sheet(
        [
            (crops[i], f"{i + 1} {short[suspects[i].label]}>{short[suspects[i].said]}")
            for i in chosen
        ],
        sheet,
    )
    return lines, sheet


def read_suspects(path: Path) -> Iterator[Suspect]:
    """Read a suspects.jsonl.

    Args:
        path: The file.

    Yields:
        The suspect of each line.

    Raises:
        MissingDataError: The file does not exist.
        DamagedIndexError: A line names no suspect; the message names the line.
    """
    if not path.is_file():
        raise MissingDataError(
            f"{path} is not there; write it with `python -m training suspects`, or leave out "
            "--without"
        )
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            try:
                yield Suspect(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise DamagedIndexError(
                    f"{path}, line {number} names no suspect ({error}); write the file anew with "
                    "`python -m training suspects`"
                ) from error


def without(dataset: PictureDataset, suspects: Sequence[Suspect]) -> PictureDataset:
    """Leave suspected faces out of a dataset.

    A suspected face among others becomes a region to ignore. A picture that is one suspected face
    is left out.

    Args:
        dataset: The training split.
        suspects: The faces.

    Returns:
        A dataset without them.

    Raises:
        MissingDataError: A suspect is not in the dataset, which was prepared anew from others.
    """
    wanted = {(suspect.path, suspect.face) for suspect in suspects}
    records, pictures = [], []
    for record, picture in zip(dataset.records, dataset.pictures, strict=True):
        if record.crop is not None and (record.path, 0) in wanted:
            wanted.discard((record.path, 0))
            continue
        aside = [(record.path, place) in wanted for place in range(len(record.faces))]
        wanted -= {(record.path, place) for place, out in enumerate(aside) if out}
        faces = tuple(
            replace(face, ignore=True) if out else face
            for face, out in zip(record.faces, aside, strict=True)
        )
        records.append(replace(record, faces=faces))
        pictures.append(picture)
    if wanted:
        path, place = min(wanted)
        raise MissingDataError(
            f"{len(wanted)} of {len(suspects)} suspects are not in the training split, such as "
            f"face {place} of {path}; look for suspects anew after `prepare`"
        )
    return replace(dataset, records=records, pictures=pictures)
