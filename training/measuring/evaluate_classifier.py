"""`evaluate classifier --run`: figures of a run's mask classifier.

The temperature and the threshold are chosen on the validation split. The figures are taken on the
test split, where there is one.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve

from training.figures.mistakes_page import Mistake, shown_file, write_mistakes
from training.figures.plots import draw_confusion, draw_precision_recall
from training.measuring.calibration import (
    admission_rates,
    calibrated,
    temperature_of,
    threshold_of,
    verdicts,
)
from training.measuring.classification_report import Classification
from training.measuring.evaluation_set import labelled
from training.measuring.shipped_comparison import (
    compare_with_shipped,
    count_labels,
    unknowns,
    untested_labels,
)
from training.measuring.trained_models import open_classifier, read_figures
from training.measuring.validation_dataset import measured_on, test_dataset, validation_dataset
from training.networks.logits import logits_of
from training.networks.run_summary import read_summary
from training.records.image_quality import grey_of, sharpness
from training.records.pictures import Pixels
from training.records.record import LABELS, read_records
from training.samples.dataset import PictureDataset
from training.samples.mask_crops import held_out_crops, real, samples_of
from training.storage import write_json

LEAST_SIDE = 32.0
"""Shorter side in pixels from which a face counts."""


def training_labels(run: Path, prepared: Path) -> dict[str, int]:
    """Count the faces of each label that a run learnt from, those with drawn masks left out.

    Args:
        run: The run's folder, whose summary has the numbers.
        prepared: The folder that `prepare` wrote; its training split is counted where a run of an
            earlier version has no summary.

    Returns:
        The number of faces of each label.

    Raises:
        MissingDataError: There is neither a summary nor a prepared training split.
    """
    summary = read_summary(run)
    if summary is not None and summary.training_faces:
        return dict(summary.training_faces)
    records = [r for r in read_records(prepared / "records.jsonl") if r.split == "train"]
    found = samples_of(PictureDataset(records, [], [], None))
    return count_labels(s.label for name, mine in found.items() if name != "drawn" for s in mine)


def evaluate_classifier(
    run: Path,
    prepared: Path,
    data: Path | None,
    templates: Path | None,
    labels: Mapping[str, str] | None = None,
) -> dict[str, object]:
    """Measure a run's mask classifier and choose its temperature and threshold.

    Args:
        run: The run's folder; drawings and `mistakes.html` are put there and, without `data`,
            `figures.json`.
        prepared: The folder that `prepare` wrote.
        data: A folder to measure on, with the temperature and the threshold that were chosen
            before; None chooses them on the validation split, and measures on the test split, or
            on validation where there is no test split.
        templates: The folder of mask pictures, for validation faces with drawn masks; may be None.
        labels: What the names of labels in `data` stand for.

    Returns:
        Accuracy, precision, recall, F1, confusion, false admits and refusals, each with its
        interval; the same by set, by face size and by sharpness; the shipped classifier's rates on
        the same faces; and what is not known about the model. Faces with drawn masks are in none
        of the headline figures.

    Raises:
        CheckpointError: The run has no classifier or, with `data`, was not evaluated.
        DataError: The pictures cannot be read.
    """
    trained = open_classifier(run)
    configuration = trained.configuration
    dataset = validation_dataset(prepared, data, templates, labels)
    held = held_out_crops(dataset, configuration.size, configuration.margin, LEAST_SIDE)
    logits = logits_of(trained.model, held.crops)
    genuine = real(held)
    by_label = {
        "train": training_labels(run, prepared),
        "validation" if data is None else "measured": count_labels(held.labels[genuine].tolist()),
    }
    if data is None:
        temperature = temperature_of(logits[genuine], held.labels[genuine])
    else:
        temperature = float(read_figures(run)["temperature"])
    probabilities = calibrated(logits, temperature)
    # The real faces have too few wrongly worn masks to place a threshold: the drawn ones count
    # here, too.
    threshold = (
        threshold_of(probabilities, held.labels)
        if data is None
        else float(read_figures(run)["threshold"])
    )
    test = test_dataset(prepared, labelled, templates) if data is None else None
    if test is not None:
        dataset = test
        held = held_out_crops(test, configuration.size, configuration.margin, LEAST_SIDE)
        probabilities = calibrated(logits_of(trained.model, held.crops), temperature)
        genuine = real(held)
        by_label["test"] = count_labels(held.labels[genuine].tolist())
    guesses = verdicts(probabilities, threshold)
    truth, said = held.labels[genuine], guesses[genuine]
    counted = Classification.of(truth.tolist(), said.tolist())

    def judge(crops: Pixels) -> NDArray[np.int64]:
        return verdicts(calibrated(logits_of(trained.model, crops), temperature), threshold)

    compared = compare_with_shipped(
        dataset,
        held,
        genuine,
        guesses,
        judge,
        size=configuration.size,
        margin=configuration.margin,
        least=LEAST_SIDE,
        draws="incorrect_mask" in untested_labels(by_label),
    )
    sharp = np.array([sharpness(grey_of(crop)) for crop in held.crops], np.float32)

    def part(mask: NDArray[np.bool_]) -> dict[str, object]:
        mine = Classification.of(held.labels[mask].tolist(), guesses[mask].tolist())
        rates = admission_rates(held.labels[mask], guesses[mask])
        return {
            "faces": int(mask.sum()),
            "accuracy": mine.accuracy.as_json(),
            "macro_f1": mine.macro_f1.as_json(),
            **{name: rate.as_json() for name, rate in rates.items()},
        }

    names = np.array(held.sets)
    low, high = np.quantile(sharp[genuine], (1 / 3, 2 / 3))
    figures: dict[str, object] = {
        "macro_f1": counted.macro_f1.as_json(),
        "accuracy": counted.accuracy.as_json(),
        "faces": int(genuine.sum()),
        "threshold": threshold,
        "temperature": round(temperature, 4),
        **{name: rate.as_json() for name, rate in admission_rates(truth, said).items()},
        "classes": counted.as_json()["classes"],
        "confusion": counted.matrix.tolist(),
        "faces_by_label": by_label,
        "not_known": unknowns(by_label),
        "beside_shipped": compared.as_json() if compared else None,
        "by_set": {n: part(names == n) for n in sorted(set(held.sets))},
        "by_size": {
            f"{a}-{b} px": part(m)
            for a, b in ((32, 48), (48, 96), (96, 4096))
            if (m := genuine & (held.sides >= a) & (held.sides < b)).any()
        },
        "by_sharpness": {
            n: part(m)
            for n, m in (
                ("blurred third", genuine & (sharp <= low)),
                ("middle third", genuine & (sharp > low) & (sharp < high)),
                ("sharp third", genuine & (sharp >= high)),
            )
            if m.any()
        },
        **trained.samples_figures,
        **measured_on(data, test),
    }
    draw_confusion(counted.matrix.tolist(), LABELS, run / "confusion.png")
    if len(counted.present) > 1:
        precision, recall, _ = precision_recall_curve(truth == 0, probabilities[genuine, 0])
        draw_precision_recall(recall.tolist(), precision.tolist(), run / "pr.png", "with_mask")
    wrong = np.flatnonzero(genuine & ((held.labels == 0) != (guesses == 0)))
    mistakes = [
        Mistake(
            held.crops[i],
            shown_file(dataset.records[held.places[i]].path),
            LABELS[held.labels[i]],
            LABELS[guesses[i]],
            float(probabilities[i, 0]),
        )
        for i in wrong
    ]
    write_mistakes(mistakes, int(genuine.sum()), f"classifier of {run}", run / "mistakes.html")
    if data is None:
        write_json(figures, run / "figures.json")
    return figures
