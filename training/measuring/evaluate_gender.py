"""`evaluate gender`: how often the gender head reads a face as the set's authors did, by group."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from training.errors import MissingDataError
from training.figures.plots import draw_confusion
from training.measuring.calibration import calibrated, temperature_of
from training.measuring.trained_models import open_gender
from training.networks.logits import logits_of
from training.records.pictures import pictures_in, read_picture
from training.records.record import Record
from training.samples.dataset import PictureDataset, load_dataset
from training.samples.gender_crops import GENDER_SET, GENDERS, RACES, adults_of, held_out_adults
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


def evaluate_gender(run: Path, prepared: Path, data: Path | None) -> dict[str, object]:
    """Measure a run's gender head and choose its temperature.

    Args:
        run: The run's folder; `confusion.png` is drawn there and, without `data`, `figures.json`
            written.
        prepared: The folder that `prepare` wrote.
        data: A folder of faces to measure on; None measures on the validation split.

    Returns:
        Accuracy, balanced accuracy and confusion; accuracy by gender, race group and age band; the
        temperature.

    Raises:
        CheckpointError: The run has no gender head.
        DataError: The pictures cannot be read.
    """
    trained = open_gender(run)
    dataset = read_faces(data) if data else load_dataset(prepared, "validation", None, GENDER_SET)
    adults = adults_of(dataset)
    configuration = trained.configuration
    crops, genders = held_out_adults(dataset, adults, configuration.size, configuration.margin)
    logits = logits_of(trained.model, crops)
    temperature = temperature_of(logits, genders)
    probabilities = calibrated(logits, temperature)
    guesses = probabilities.argmax(1)
    right = guesses == genders

    def part(mask: NDArray[np.bool_]) -> dict[str, object]:
        return {"faces": int(mask.sum()), "accuracy": round(float(right[mask].mean()), 4)}

    def by(names: list[str]) -> dict[str, object]:
        column = np.array(names)
        return {n: part(column == n) for n in sorted(set(names))}

    matrix = confusion_matrix(genders, guesses, labels=range(len(GENDERS))).tolist()
    figures: dict[str, object] = {
        "accuracy": round(float(right.mean()), 4),
        "balanced_accuracy": round(float(balanced_accuracy_score(genders, guesses)), 4),
        "faces": len(adults),
        "temperature": round(temperature, 4),
        "by_gender": by([GENDERS[a.gender] for a in adults]),
        "by_race": by([RACES[a.race] for a in adults]),
        "by_age": by([a.band for a in adults]),
        "confusion": matrix,
        **trained.samples_figures,
    }
    draw_confusion(matrix, GENDERS, run / "confusion.png")
    if data is None:
        write_json(figures, run / "figures.json")
    return figures
