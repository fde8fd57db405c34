"""The pictures that a run is evaluated on, in memory: a prepared split, or any folder."""

from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from training.errors import EmptyClassError
from training.measuring.evaluation_set import boxed_by_people, measured_split
from training.records.any_layout import read_any_layout
from training.records.pictures import read_picture
from training.records.record import Record, read_records
from training.samples.dataset import PictureDataset, load_dataset

SAME_PICTURES = (
    "thresholds and figures come from the same pictures, so expect somewhat lower figures on "
    "others; `prepare --test-share 0.2`, or a folder named test, gives a test split"
)
"""What the figures of a run say where there is no test split."""


def open_folder(data: Path, labels: Mapping[str, str] | None = None) -> PictureDataset:
    """Read all pictures of a folder in one of the public layouts.

    Args:
        data: The folder.
        labels: What the user's own names of labels stand for.

    Returns:
        The pictures that could be read. Each problem is printed on standard error.

    Raises:
        DataError: The folder is missing, or is in no known layout.
        EmptyClassError: No picture could be read.
    """
    problems: list[str] = []
    records, pictures = [], []
    for record in read_any_layout(data, data.name, problems, own_labels=labels):
        picture = read_picture(Path(record.path))
        if picture is not None:
            records.append(record)
            pictures.append(picture)
    for problem in problems:
        Console(stderr=True).print(problem)
    if not records:
        raise EmptyClassError(f"{data}: not one readable picture; name another folder with --data")
    return PictureDataset(records, pictures, [], None)


def validation_dataset(
    prepared: Path,
    data: Path | None,
    templates: Path | None,
    labels: Mapping[str, str] | None = None,
) -> PictureDataset:
    """Read the folder `data` where one is named, else the validation split.

    Args:
        prepared: The folder that `prepare` wrote.
        data: A folder in one of the public layouts; None reads the validation split.
        templates: The folder of mask pictures; None draws no masks.
        labels: What the names of labels in `data` stand for.

    Returns:
        The pictures and their records.

    Raises:
        DataError: The folder, or the validation split, cannot be read.
    """
    return open_folder(data, labels) if data else load_dataset(prepared, "validation", templates)


def test_dataset(
    prepared: Path, usable: Callable[[Record], bool], templates: Path | None
) -> PictureDataset | None:
    """Read the test split, which figures are taken on and nothing is chosen on.

    Args:
        prepared: The folder that `prepare` wrote.
        usable: Whether a picture can be measured on.
        templates: The folder of mask pictures; None draws no masks.

    Returns:
        The pictures; None if there is no test split, or no usable picture in it.

    Raises:
        DataError: The split cannot be read.
    """
    if measured_split(read_records(prepared / "records.jsonl"), usable) != "test":
        return None
    return load_dataset(prepared, "test", templates)


def measured_dataset(
    prepared: Path, usable: Callable[[Record], bool], only: set[str] | None = None
) -> tuple[str, PictureDataset]:
    """Read the split that the figures of a run are taken on.

    Args:
        prepared: The folder that `prepare` wrote.
        usable: Whether a picture can be measured on.
        only: Names of the sets that are read; None reads all.

    Returns:
        `test` if that split holds a usable picture, else `validation`; and its pictures.

    Raises:
        DataError: The split cannot be read.
    """
    split = measured_split(read_records(prepared / "records.jsonl"), usable)
    return split, load_dataset(prepared, split, None, only)


def measured_on(data: Path | None, test: PictureDataset | None) -> dict[str, str]:
    """Say which pictures the figures of a run are from.

    Args:
        data: The folder that was measured on, or None.
        test: The test split, or None.

    Returns:
        `measured_on`; and a caveat, if the thresholds were chosen on the same pictures.
    """
    if data is not None:
        return {"measured_on": str(data)}
    if test is not None:
        return {"measured_on": "test split", "chosen_on": "validation split"}
    return {
        "measured_on": "validation split",
        "chosen_on": "validation split",
        "caveat": SAME_PICTURES,
    }


def boxed_pictures(dataset: PictureDataset) -> list[int]:
    """Find the pictures in which people have boxed every face.

    Args:
        dataset: The pictures.

    Returns:
        Their places in the dataset.

    Raises:
        EmptyClassError: There is no such picture.
    """
    places = [i for i, r in enumerate(dataset.records) if boxed_by_people(r)]
    if not places:
        raise EmptyClassError(
            "no picture with boxes here; name a folder in COCO, VOC or YOLO layout with --data"
        )
    return places
