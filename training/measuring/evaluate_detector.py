"""`evaluate detector`: figures of a run's face detector, and the thresholds that export writes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.boxes.detections import Detections, one_box_each
from training.errors import EmptyClassError
from training.figures.plots import draw_precision_recall
from training.measuring.average_precision import COUNTED
from training.measuring.detection_curve import detection_curve
from training.measuring.evaluation_set import boxed_by_people
from training.measuring.intervals import Rate, mean_of_counts
from training.measuring.matching import match_detections
from training.measuring.trained_models import open_detector
from training.measuring.validation_dataset import (
    boxed_pictures,
    measured_on,
    test_dataset,
    validation_dataset,
)
from training.networks.detection import detect
from training.networks.detector import RUNNING_SIZE, FaceDetector
from training.samples.dataset import PictureDataset
from training.storage import write_json

Floats = NDArray[np.float32]

_LOWEST, _HIGHEST = 0.2, 0.7
"""The least and the greatest threshold that may be chosen."""


def _matched(
    dataset: PictureDataset, indices: list[int], found: list[Detections]
) -> tuple[Floats, NDArray[np.bool_], int]:
    """The score of each counted detection, whether it is a face, and the number of faces."""
    scores, right, _, faces = match_detections([dataset.records[i] for i in indices], found)
    return scores, right, faces


def _threshold_of_best(
    beta: float, scores: Floats, precision: NDArray[np.float64], recall: NDArray[np.float64]
) -> float:
    """The score at which F-beta is highest."""
    weighted = (1 + beta**2) * precision * recall
    f_beta = weighted / np.maximum(beta**2 * precision + recall, 1e-9)
    return round(float(np.clip(scores[int(f_beta.argmax())], _LOWEST, _HIGHEST)), 3)


def _found(model: FaceDetector, dataset: PictureDataset) -> tuple[list[int], list[Detections]]:
    """The places of the boxed pictures, and what the detector finds in them."""
    judged = boxed_pictures(dataset)
    return judged, detect(model, [dataset.pictures[i] for i in judged], RUNNING_SIZE)


def _curve(
    dataset: PictureDataset, judged: list[int], found: list[Detections]
) -> tuple[Floats, NDArray[np.float64], NDArray[np.float64], int]:
    """Falling scores, precision and recall down to each of them, and the number of faces."""
    scores, right, faces = _matched(dataset, judged, found)
    if faces == 0 or not right.any():
        raise EmptyClassError(
            "no face of 32 px or more was there to be found, or none was found; train longer "
            "or name another --data"
        )
    order = np.argsort(-scores)
    true = np.cumsum(right[order])
    return scores[order], true / np.arange(1, len(true) + 1), true / faces, faces


def evaluate_detector(
    run: Path, prepared: Path, data: Path | None, labels: Mapping[str, str] | None = None
) -> dict[str, object]:
    """Measure a run's face detector and choose its two thresholds.

    From `threshold` on a box is a face: this is the score of the best F2. F2 weighs recall twice
    (van Rijsbergen, Information Retrieval, 1979, chapter 7), because a missed face has no vote,
    while the votes over many frames correct a false one. From `certain` on a box is surely a
    face: this is the score of the best F1.

    Args:
        run: The run's folder; `pr.png` is drawn there and, without `data`, `figures.json` written.
        prepared: The folder that `prepare` wrote.
        data: A folder to choose and measure on; None chooses on the validation split, and measures
            on the test split, or on validation where there is no test split.
        labels: What the names of labels in `data` stand for.

    Returns:
        Average precision; both thresholds; precision and recall at the first; the share of faces
        found in other sets; false faces per picture without a face. Each has its interval.

    Raises:
        CheckpointError: The run has no detector.
        DataError: The pictures cannot be read.
        EmptyClassError: There was no face to find, or the detector found none.
    """
    trained = open_detector(run)
    dataset = validation_dataset(prepared, data, None, labels)
    judged, found = _found(trained.model, dataset)
    falling, precision, recall, faces = _curve(dataset, judged, found)
    threshold = _threshold_of_best(2.0, falling, precision, recall)
    certain = max(threshold, _threshold_of_best(1.0, falling, precision, recall))
    test = test_dataset(prepared, boxed_by_people, None) if data is None else None
    if test is not None:
        dataset = test
        judged, found = _found(trained.model, dataset)
    # The edge leaves one box of each face among those that reach the threshold.
    found = [one_box_each(each, threshold) for each in found]
    falling, precision, recall, faces = _curve(dataset, judged, found)
    records = [dataset.records[i] for i in judged]
    curve = detection_curve(records, found)
    hit, counted = curve.at(threshold)
    figures: dict[str, object] = {
        "face_ap_50": curve.as_json(),
        "face_ap_50_all_sizes": detection_curve(records, found, 1.0).as_json(),
        "threshold": threshold,
        "certain": certain,
        "precision": Rate(hit, counted).as_json(),
        "recall": Rate(hit, faces).as_json(),
        "pictures": len(judged),
        "faces": faces,
        "smallest_counted_px": COUNTED,
        "input": RUNNING_SIZE,
        **trained.samples_figures,
        **measured_on(data, test),
    }

    def detections(indices: list[int]) -> list[Detections]:
        pictures = [dataset.pictures[i] for i in indices]
        return detect(trained.model, pictures, RUNNING_SIZE, threshold, threshold=threshold)

    for name in ("keypoints", "portraits_cc_by"):
        indices = [i for i in dataset.of(name) if dataset.records[i].faces]
        if indices:
            _, are_faces, there = _matched(dataset, indices, detections(indices))
            figures[f"recall_{name}"] = Rate(int(are_faces.sum()), there).as_json()
    empty = dataset.of("negatives")
    if empty:
        false_faces = [len(found.scores) for found in detections(empty)]
        figures["false_faces_per_empty_picture"] = mean_of_counts(false_faces).as_json()
    title = f"faces, AP {curve.average_precision:.3f}"
    draw_precision_recall(recall.tolist(), precision.tolist(), run / "pr.png", title)
    if data is None:
        write_json(figures, run / "figures.json")
    return figures
