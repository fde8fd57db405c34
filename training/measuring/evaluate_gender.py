"""`evaluate gender`: how often the gender head reads a face as the set's authors did, by group."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table
from sklearn.metrics import confusion_matrix

from training.boxes.cropping import cut
from training.errors import EmptyClassError, MissingDataError
from training.figures.plots import draw_confusion
from training.measuring.calibration import calibrated, temperature_of
from training.measuring.installed_gender import InstalledGenderHead, installed_gender_head
from training.measuring.intervals import Rate, mean_of_rates
from training.measuring.trained_models import open_gender
from training.measuring.validation_dataset import measured_dataset, measured_on
from training.networks.logits import logits_of
from training.records.pictures import pictures_in, read_picture
from training.records.record import Record
from training.samples.dataset import PictureDataset, load_dataset
from training.samples.gender_crops import (
    GENDER_SET,
    GENDERS,
    RACES,
    Adult,
    adults_of,
    held_out_adults,
)
from training.storage import write_json


def read_faces(data: Path) -> PictureDataset:
    """Read all pictures of a folder; each of them is one face.

    Args:
        data: The folder.

    Returns:
        The pictures.

    Raises:
        MissingDataError: The folder is not there.
    """
    if not data.is_dir():
        raise MissingDataError(f"{data} is not there; name a folder of faces with --data")
    records, pictures = [], []
    for path in pictures_in(data):
        picture = read_picture(path)
        if picture is not None:
            height, width = picture.shape[:2]
            name = str(path)
            records.append(Record(data.name, name, name, "validation", width, height, False))
            pictures.append(picture)
    return PictureDataset(records, pictures, [], None)


def _of_gender(record: Record) -> bool:
    """Return whether a picture is of a set that tells the gender."""
    return record.set in GENDER_SET


def _dataset(prepared: Path, data: Path | None) -> PictureDataset:
    return read_faces(data) if data else load_dataset(prepared, "validation", None, GENDER_SET)


def _figures(
    adults: list[Adult], genders: NDArray[np.int64], guesses: NDArray[np.int64]
) -> dict[str, object]:
    """Figures of a head, each share with its interval, over all adults and over each group."""
    right = guesses == genders

    def share(chosen: NDArray[np.bool_]) -> Rate:
        return Rate(int(right[chosen].sum()), int(chosen.sum()))

    def by(names: list[str]) -> dict[str, object]:
        column = np.array(names)
        return {
            name: {
                "faces": int((column == name).sum()),
                "accuracy": share(column == name).as_json(),
            }
            for name in sorted(set(names))
        }

    recalls = [share(genders == place) for place in range(len(GENDERS))]
    return {
        "accuracy": share(np.ones(len(right), np.bool_)).as_json(),
        "balanced_accuracy": mean_of_rates(recalls).as_json(),
        "faces": len(adults),
        "by_gender": by([GENDERS[a.gender] for a in adults]),
        "by_race": by([RACES[a.race] for a in adults]),
        "by_age": by([a.band for a in adults]),
        "confusion": confusion_matrix(genders, guesses, labels=range(len(GENDERS))).tolist(),
    }


def evaluate_gender(run: Path, prepared: Path, data: Path | None) -> dict[str, object]:
    """Measure a run's gender head and choose its temperature.

    Args:
        run: The run's folder; `confusion.png` is drawn there and, without `data`, `figures.json`
            written.
        prepared: The folder that `prepare` wrote.
        data: A folder of faces to measure on; None measures on the test split, or on validation
            where there is no test split.

    Returns:
        Accuracy, balanced accuracy and confusion; accuracy by gender, race group and age band, each
        with its interval; the temperature.

    Raises:
        CheckpointError: The run has no gender head.
        DataError: The pictures cannot be read.
    """
    trained = open_gender(run)
    dataset = _dataset(prepared, data)
    adults = adults_of(dataset)
    configuration = trained.configuration
    crops, genders = held_out_adults(dataset, adults, configuration.size, configuration.margin)
    logits = logits_of(trained.model, crops)
    temperature = temperature_of(logits, genders)
    split, measured = ("", dataset) if data else measured_dataset(prepared, _of_gender, GENDER_SET)
    test = measured if split == "test" else None
    if test is not None:
        adults = adults_of(test)
        crops, genders = held_out_adults(test, adults, configuration.size, configuration.margin)
        logits = logits_of(trained.model, crops)
    guesses = calibrated(logits, temperature).argmax(1)
    figures = _figures(adults, genders, guesses)
    figures |= {"temperature": round(temperature, 4), **trained.samples_figures}
    figures |= measured_on(data, test)
    draw_confusion(_matrix(figures), GENDERS, run / "confusion.png")
    if data is None:
        write_json(figures, run / "figures.json")
    return figures


def evaluate_installed_gender(models: Path, prepared: Path, data: Path | None) -> dict[str, object]:
    """Measure the installed gender head; nothing is written.

    Args:
        models: Folder of the installed models, with their manifest.
        prepared: The folder that `prepare` wrote.
        data: A folder of faces to measure on; None measures on the test split, or on validation
            where there is no test split.

    Returns:
        The figures of `evaluate_gender` without a temperature; the head's file; and the number of
        adults that are smaller than the head reads, who are left out.

    Raises:
        ModelError: There is no gender head, or it cannot be run.
        DataError: The pictures cannot be read.
        EmptyClassError: Every adult is smaller than the head reads.
    """
    head = InstalledGenderHead(installed_gender_head(models))
    if data is not None:
        said, dataset = str(data), read_faces(data)
    else:
        split, dataset = measured_dataset(prepared, _of_gender, GENDER_SET)
        said = f"{split} split of {prepared}"
    everybody = adults_of(dataset)
    adults = [a for a in everybody if _shorter_side(a) >= head.smallest]
    if not adults:
        raise EmptyClassError(
            f"every adult is smaller than {head.smallest:.0f} px; add larger faces, or name "
            "another folder with --data"
        )
    rows = [head.probabilities(cut(dataset.pictures[a.index], a.box, head.margin)) for a in adults]
    genders = np.array([a.gender for a in adults], np.int64)
    return {
        "measured": str(head.path),
        "data": said,
        **_figures(adults, genders, np.stack(rows).argmax(1)),
        "left_out_too_small": len(everybody) - len(adults),
    }


def _shorter_side(adult: Adult) -> float:
    return min(adult.box[2] - adult.box[0], adult.box[3] - adult.box[1])


def gender_table(figures: Mapping[str, Any]) -> Table:
    """Return the accuracy of all adults and of each group, with intervals, for people."""
    table = Table("group", "right (95 % interval)", "faces", title="gender head")
    whole = figures["accuracy"]
    table.add_row("all", _words(whole), str(whole["of"]))
    for name in ("by_gender", "by_race", "by_age"):
        for group, part in figures[name].items():
            table.add_row(f"{name.removeprefix('by_')}: {group}", _words(part["accuracy"]),
                          str(part["faces"]))  # fmt: skip
    return table


def _words(rate: Mapping[str, int]) -> str:
    return str(Rate(rate["count"], rate["of"]))


def _matrix(figures: Mapping[str, Any]) -> list[list[int]]:
    matrix: list[list[int]] = figures["confusion"]
    return matrix
