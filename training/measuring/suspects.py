"""`suspects`: labels of the training split that a trained classifier firmly contradicts.

If a model has learnt from a face and still denies its label, the labeller is more often wrong than
the model (Northcutt, Jiang and Chuang, Confident Learning: Estimating Uncertainty in Dataset
Labels, JAIR 70, 2021). The validation split is never searched: without the faces that a model gets
wrong, the split would measure nothing any more.
"""

from pathlib import Path

import numpy as np
from rich.progress import track

from training.boxes.cropping import cut, fitted
from training.errors import EmptyClassError
from training.measuring.calibration import calibrated
from training.measuring.intervals import value_of
from training.measuring.trained_models import open_classifier, read_figures
from training.networks.logits import logits_of
from training.networks.run_summary import LEAST_SAMPLES
from training.records.pictures import Pixels
from training.records.record import LABELS
from training.samples.dataset import PictureDataset, load_dataset
from training.samples.mask_crops import samples_of
from training.samples.suspect_list import Suspect

FIRMLY = 0.1
"""Probability of its own label under which a face is suspected."""

LEAST_ACCURACY = 0.95
"""Accuracy on validation from which a list of suspects is trusted."""

LEAST_PASSES = 4.0
"""Times that each training face must have been seen, on average, for a list to be trusted.

In 2,400 crops with 3 % wrong labels, the share of wrong labels among the suspects was .40 after 0.8
passes (validation accuracy .898), .64 after 2.1 (.958) and .82 after 4.2 (.977).
"""

_AT_ONCE = 256


def doubts(accuracy: float | None, samples: int, samples_before: int, faces: int) -> list[str]:
    """Say why a list of suspects holds hard faces rather than wrong labels.

    Args:
        accuracy: Of the classifier on validation, 0…1; None if it was not measured.
        samples: Training samples of the run.
        samples_before: Training samples of the runs that it began from.
        faces: Faces of the training split.

    Returns:
        A sentence for each reason; empty where the list can be trusted.
    """
    lines = []
    if accuracy is None or accuracy < LEAST_ACCURACY:
        is_right = "not known to be right" if accuracy is None else f"right about {accuracy:.1%}"
        lines.append(
            f"The classifier is {is_right} of the validation faces, and a list needs "
            f"{LEAST_ACCURACY:.0%}."
        )
    passes, seen = samples / max(1, faces), samples + samples_before
    if passes < LEAST_PASSES and seen < LEAST_SAMPLES["classifier"]:
        lines.append(
            f"The classifier has seen each training face {passes:.1f} times, and a list needs "
            f"{LEAST_PASSES:.0f} times, or a classifier that has seen "
            f"{LEAST_SAMPLES['classifier']} samples."
        )
    return lines


def find_suspects(
    run: Path, prepared: Path, firmly: float = FIRMLY
) -> tuple[list[Suspect], list[Pixels], list[str]]:
    """Find the suspected faces of the training split.

    Args:
        run: An evaluated classifier's run.
        prepared: The folder that `prepare` wrote.
        firmly: Probability of its own label under which a face is suspected.

    Returns:
        The suspected faces, the least probable label first; their crops; and why the list should
        not be trusted, a sentence each.

    Raises:
        CheckpointError: The run has no classifier, or was not evaluated: its temperature is needed.
        EmptyClassError: No face of the training split has a label.
        DataError: The prepared pictures cannot be read.
    """
    trained, figures = open_classifier(run), read_figures(run)
    temperature = float(figures["temperature"])
    size, margin = trained.configuration.size, trained.configuration.margin
    dataset = load_dataset(prepared, "train", None)
    samples = [s for name, mine in samples_of(dataset).items() if name != "drawn" for s in mine]
    if not samples:
        raise EmptyClassError(
            f"{prepared}: no labelled face in the training split; prepare pictures with labels"
        )
    found: list[tuple[Suspect, Pixels]] = []
    places = _places(dataset)
    for start in track(range(0, len(samples), _AT_ONCE), "faces", transient=True):
        part = samples[start : start + _AT_ONCE]
        crops = np.stack(
            [fitted(cut(dataset.pictures[s.index], s.box, margin), size) for s in part]
        )
        rows = calibrated(logits_of(trained.model, crops), temperature)
        for sample, row, crop in zip(part, rows, crops, strict=True):
            own = float(row[sample.label])
            if own < firmly:
                suspect = Suspect(
                    dataset.records[sample.index].path,
                    places[sample.index, sample.box],
                    LABELS[sample.label],
                    LABELS[int(row.argmax())],
                    round(own, 4),
                )
                found.append((suspect, crop))
    found.sort(key=lambda pair: (pair[0].probability, pair[0].path, pair[0].face))
    accuracy = value_of(figures["accuracy"]) if "accuracy" in figures else None
    return (
        [suspect for suspect, _ in found],
        [crop for _, crop in found],
        doubts(accuracy, trained.samples, trained.samples_before, len(samples)),
    )


def _places(dataset: PictureDataset) -> dict[tuple[int, tuple[float, float, float, float]], int]:
    places = {}
    for index, record in enumerate(dataset.records):
        places[index, (0.0, 0.0, float(record.width), float(record.height))] = 0
        for place, face in enumerate(record.faces):
            places[index, face.box] = place
    return places
