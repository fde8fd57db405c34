"""`evaluate classifier --run`: figures of a run's mask classifier.

The temperature and the threshold are chosen on the validation split. The figures are taken on the
test split, where there is one.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import classification_report, confusion_matrix, precision_recall_curve

from training.figures.plots import draw_confusion, draw_precision_recall
from training.measuring.calibration import (
    admission_figures,
    calibrated,
    temperature_of,
    threshold_of,
    verdicts,
)
from training.measuring.classification_report import macro_f1
from training.measuring.evaluation_set import labelled
from training.measuring.trained_models import open_classifier, read_figures
from training.measuring.validation_dataset import measured_on, test_dataset, validation_dataset
from training.networks.logits import logits_of
from training.records.image_quality import grey_of, sharpness
from training.records.record import LABELS
from training.samples.mask_crops import held_out_crops, real
from training.storage import write_json


def evaluate_classifier(
    run: Path, prepared: Path, data: Path | None, templates: Path | None
) -> dict[str, object]:
    """Measure a run's mask classifier and choose its temperature and threshold.

    Args:
        run: The run's folder; drawings are put there and, without `data`, `figures.json`.
        prepared: The folder that `prepare` wrote.
        data: A folder to measure on, with the temperature and the threshold that were chosen
            before; None chooses them on the validation split, and measures on the test split, or
            on validation where there is no test split.
        templates: The folder of mask pictures, for validation faces with drawn masks; may be None.

    Returns:
        Accuracy, precision, recall, F1, confusion, false admits and refusals; the same by set, by
        face size and by sharpness. Faces with drawn masks are in none of the headline figures.

    Raises:
        CheckpointError: The run has no classifier or, with `data`, was not evaluated.
        DataError: The pictures cannot be read.
    """
    trained = open_classifier(run)
    configuration = trained.configuration
    held = held_out_crops(
        validation_dataset(prepared, data, templates), configuration.size, configuration.margin
    )
    logits = logits_of(trained.model, held.crops)
    genuine = real(held)
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
        held = held_out_crops(test, configuration.size, configuration.margin)
        probabilities = calibrated(logits_of(trained.model, held.crops), temperature)
        genuine = real(held)
    guesses = verdicts(probabilities, threshold)
    present = sorted(set(held.labels[genuine].tolist()))
    matrix = confusion_matrix(
        held.labels[genuine], guesses[genuine], labels=range(len(LABELS))
    ).tolist()
    report = classification_report(
        held.labels[genuine],
        guesses[genuine],
        labels=present,
        target_names=[LABELS[i] for i in present],
        output_dict=True,
        zero_division=0,
    )
    sharp = np.array([sharpness(grey_of(crop)) for crop in held.crops], np.float32)

    def part(mask: NDArray[np.bool_]) -> dict[str, object]:
        truth, said = held.labels[mask], guesses[mask]
        return {
            "faces": int(mask.sum()),
            "accuracy": round(float((truth == said).mean()), 4),
            "macro_f1": round(macro_f1(truth, said), 4),
            **admission_figures(truth, said),
        }

    names = np.array(held.sets)
    low, high = np.quantile(sharp[genuine], (1 / 3, 2 / 3))
    figures: dict[str, object] = {
        "macro_f1": round(macro_f1(held.labels[genuine], guesses[genuine]), 4),
        "accuracy": round(float((held.labels == guesses)[genuine].mean()), 4),
        "faces": int(genuine.sum()),
        "threshold": threshold,
        "temperature": round(temperature, 4),
        **admission_figures(held.labels[genuine], guesses[genuine]),
        "classes": {
            k: {m: round(float(v[m]), 4) for m in ("precision", "recall", "f1-score")}
            | {"faces": int(v["support"])}
            for k, v in report.items()
            if k in LABELS
        },
        "confusion": matrix,
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
    draw_confusion(matrix, LABELS, run / "confusion.png")
    if len(present) > 1:
        precision, recall, _ = precision_recall_curve(
            held.labels[genuine] == 0, probabilities[genuine, 0]
        )
        draw_precision_recall(recall.tolist(), precision.tolist(), run / "pr.png", "with_mask")
    if data is None:
        write_json(figures, run / "figures.json")
    return figures
