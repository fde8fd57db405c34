"""`evaluate all`: whole pictures through the detector and the classifier of two runs."""

from pathlib import Path

import numpy as np

from training.boxes.blending import overlaps
from training.boxes.cropping import cut, fitted
from training.errors import EmptyClassError
from training.measuring.average_precision import COUNTED
from training.measuring.calibration import admission_rates, calibrated, verdicts
from training.measuring.classification_report import Classification
from training.measuring.evaluation_set import boxed_by_people
from training.measuring.intervals import Rate
from training.measuring.matching import MATCHED, is_counted
from training.measuring.trained_models import open_classifier, open_detector, read_figures
from training.measuring.validation_dataset import (
    boxed_pictures,
    measured_on,
    test_dataset,
    validation_dataset,
)
from training.networks.detection import detect
from training.networks.detector import RUNNING_SIZE
from training.networks.logits import logits_of
from training.records.record import LABELS
from training.storage import write_json


def evaluate_pipeline(
    detector: Path, classifier: Path, prepared: Path, data: Path | None
) -> dict[str, object]:
    """Measure how often both models together give a labelled face the right verdict.

    The thresholds are those that `evaluate` chose for each run. The verdict on a masked face is
    right if it is with_mask, and on any other face if it is not. A face that the detector does
    not find counts as wrong.

    Args:
        detector: The detector's run; without `data`, `pipeline.json` is written there.
        classifier: The classifier's run.
        prepared: The folder that `prepare` wrote.
        data: A folder to measure on; None measures on the test split, or on validation where there
            is no test split.

    Returns:
        The share of right verdicts, the faces and those missed, macro F1, false admits and
        refusals of the faces that were found; each share with its interval.

    Raises:
        CheckpointError: One of the runs has no such model, or was not evaluated.
        DataError: The pictures cannot be read.
        EmptyClassError: The detector found no labelled face.
    """
    finder, judge = open_detector(detector), open_classifier(classifier)
    test = test_dataset(prepared, boxed_by_people, None) if data is None else None
    dataset = validation_dataset(prepared, data, None) if test is None else test
    indices = boxed_pictures(dataset)
    threshold, settings = float(read_figures(detector)["threshold"]), read_figures(classifier)
    pictures = [dataset.pictures[i] for i in indices]
    found = detect(finder.model, pictures, RUNNING_SIZE, threshold, threshold=threshold)
    labels: list[int] = []
    crops = []
    missed = dict.fromkeys(LABELS, 0)
    for index, detections in zip(indices, found, strict=True):
        for face in dataset.records[index].faces:
            if face.label is None or not is_counted(face, COUNTED):
                continue
            shared = (
                overlaps(np.array([face.box], np.float32), detections.boxes)[0]
                if len(detections.scores)
                else np.zeros(1)
            )
            if shared.max() < MATCHED:
                missed[face.label] += 1
                continue
            box = detections.boxes[int(shared.argmax())]
            crop = cut(dataset.pictures[index], box.tolist(), judge.configuration.margin)
            crops.append(fitted(crop, judge.configuration.size))
            labels.append(LABELS.index(face.label))
    if not crops:
        raise EmptyClassError(
            "not one labelled face of 32 px or more was found; train the detector longer or "
            "name another --data"
        )
    logits = logits_of(judge.model, np.stack(crops))
    probabilities = calibrated(logits, float(settings["temperature"]))
    guesses = verdicts(probabilities, float(settings["threshold"]))
    truth = np.array(labels, np.int64)
    right = int(((guesses == 0) == (truth == 0)).sum())
    faces = len(labels) + sum(missed.values())
    figures: dict[str, object] = {
        "right_verdict": Rate(right, faces).as_json(),
        "faces": faces,
        "missed": missed,
        "macro_f1_of_found": Classification.of(labels, guesses.tolist()).macro_f1.as_json(),
        **{name: rate.as_json() for name, rate in admission_rates(truth, guesses).items()},
        **measured_on(data, test),
    }
    if data is None:
        write_json(figures, detector / "pipeline.json")
    return figures
