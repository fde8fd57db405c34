"""The pictures that a run is evaluated on: the validation split, or any folder, in memory."""

from pathlib import Path

from rich.console import Console

from training.errors import EmptyClassError
from training.measuring.evaluation_set import NOT_BOXED_BY_PEOPLE
from training.records.any_layout import read_any_layout
from training.records.pictures import read_picture
from training.samples.dataset import PictureDataset, load_dataset


def open_folder(data: Path) -> PictureDataset:
    """Read all pictures of a folder in one of the public layouts.

    Args:
        data: The folder.

    Returns:
        The pictures that could be read. Each problem is printed on standard error.

    Raises:
        DataError: The folder is missing, or is in no known layout.
        EmptyClassError: No picture could be read.
    """
    problems: list[str] = []
    records, pictures = [], []
    for record in read_any_layout(data, data.name, problems):
        picture = read_picture(Path(record.path))
        if picture is not None:
            records.append(record)
            pictures.append(picture)
    for problem in problems:
        Console(stderr=True).print(problem)
    if not records:
        raise EmptyClassError(f"{data}: not one readable picture; name another folder with --data")
    return PictureDataset(records, pictures, [], None)


def validation_dataset(prepared: Path, data: Path | None, templates: Path | None) -> PictureDataset:
    """Read the folder `data` where one is named, else the validation split.

    Args:
        prepared: The folder that `prepare` wrote.
        data: A folder in one of the public layouts; None reads the validation split.
        templates: The folder of mask pictures; None draws no masks.

    Returns:
        The pictures and their records.

    Raises:
        DataError: The folder, or the validation split, cannot be read.
    """
    return open_folder(data) if data else load_dataset(prepared, "validation", templates)


def boxed_pictures(dataset: PictureDataset) -> list[int]:
    """Find the pictures in which people have boxed every face.

    Args:
        dataset: The pictures.

    Returns:
        Their places in the dataset.

    Raises:
        EmptyClassError: There is no such picture.
    """
    places = [
        i for i, r in enumerate(dataset.records) if r.boxed and r.set not in NOT_BOXED_BY_PEOPLE
    ]
    if not places:
        raise EmptyClassError(
            "no picture with boxes here; name a folder in COCO, VOC or YOLO layout with --data"
        )
    return places
