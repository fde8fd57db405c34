"""`evaluate`: figures of a trained model on the validation split, or on any folder; thresholds and
temperature chosen on it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from sklearn.metrics import classification_report, confusion_matrix, precision_recall_curve

from training.boxes.blending import overlaps
from training.boxes.cropping import cut, fitted
from training.boxes.detections import Detections
from training.errors import EmptyClassError, MissingCheckpointError
from training.figures.plots import draw_confusion, draw_precision_recall
from training.measuring.average_precision import COUNTED, face_ap
from training.measuring.calibration import (
    admission_figures,
    calibrated,
    temperature_of,
    threshold_of,
    verdicts,
)
from training.measuring.classification_report import macro_f1
from training.measuring.matching import match_detections
from training.networks.architectures import built
from training.networks.checkpoint import Configuration, load
from training.networks.classifier import CropClassifier
from training.networks.detection import detect
from training.networks.detector import RUNNING_SIZE, FaceDetector
from training.networks.logits import logits_of
from training.records.any_layout import read_any_layout
from training.records.image_quality import grey_of, sharpness
from training.records.pictures import read_picture
from training.records.record import LABELS
from training.samples.dataset import PictureDataset, load_dataset
from training.samples.mask_crops import held_out_crops, real
from training.storage import write_json

OVERLAP = 0.45
"""IoU over which the edge takes two boxes for one face."""

Floats = NDArray[np.float32]
Model = TypeVar("Model", FaceDetector, CropClassifier)


@dataclass(frozen=True, slots=True)
class Trained(Generic[Model]):
    """A run's best model, its configuration and how many samples it saw."""

    model: Model
    configuration: Configuration
    samples: int


def opened(run: Path, kind: str) -> tuple[Configuration, dict[str, Any]]:
    """A run's configuration and best checkpoint. Raises MissingCheckpointError, also where it is of
    another kind.
    """
    state = load(run / "best.pt")
    configuration = Configuration(**state["configuration"])
    if configuration.kind != kind:
        raise MissingCheckpointError(
            f"{run / 'best.pt'} holds a {configuration.kind}, not a {kind}; "
            "name the other run with --run"
        )
    return configuration, state


def open_detector(run: Path) -> Trained[FaceDetector]:
    """The best detector of a run. Raises MissingCheckpointError, also where it is no detector."""
    configuration, state = opened(run, "detector")
    model = FaceDetector(int(configuration.width), configuration.depth)
    model.load_state_dict(state["average"])
    return Trained(model.eval(), configuration, int(state["samples"]))


def open_classifier(run: Path) -> Trained[CropClassifier]:
    """The best classifier of a run. Raises MissingCheckpointError, also where it is none."""
    configuration, state = opened(run, "classifier")
    model = built(configuration)
    model.load_state_dict(state["average"])
    return Trained(model.eval(), configuration, int(state["samples"]))


def open_folder(data: Path) -> PictureDataset:
    """Any folder in one of the public layouts as an album, all of it. Raises DataError."""
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
        raise EmptyClassError(f"{data}: not one readable picture")
    return PictureDataset(records, pictures, [], None)


def validation(prepared: Path, data: Path | None, templates: Path | None) -> PictureDataset:
    """The folder that was named, or else the validation split."""
    return open_folder(data) if data else load_dataset(prepared, "validation", templates)


def boxed_pictures(album: PictureDataset) -> list[int]:
    """Pictures whose boxes were drawn by people, all faces of each."""
    aside = ("keypoints", "masked_people", "negatives", "portraits_cc_by", "crops", "gender")
    chosen = [i for i, r in enumerate(album.records) if r.boxed and r.set not in aside]
    if not chosen:
        raise EmptyClassError(
            "no picture with boxes here; name a folder in COCO, VOC or YOLO layout with --data"
        )
    return chosen


def _hits(
    album: PictureDataset, indices: list[int], found: list[Detections]
) -> tuple[Floats, NDArray[np.bool_], int]:
    """For each counted detection its score and whether it is a face, and the number of faces."""
    scores, right, _, faces = match_detections([album.records[i] for i in indices], found)
    return scores, right, faces


def evaluate_detector(run: Path, prepared: Path, data: Path | None) -> dict[str, object]:
    """AP; the threshold of the best F2, from which a box is a face, and that of the best F1, from
    which it is surely one; precision and recall at the first; faces found in other sets; false
    faces on empty pictures.

    F2 weighs recall twice (van Rijsbergen, Information Retrieval, 1979, chapter 7): a face that is
    missed has no vote, and what is none is outvoted over many frames.
    """
    trained = open_detector(run)
    album = validation(prepared, data, None)
    judged = boxed_pictures(album)
    found = detect(
        trained.model, [album.pictures[i] for i in judged], RUNNING_SIZE, overlap=OVERLAP
    )
    scores, right, faces = _hits(album, judged, found)
    if faces == 0 or not right.any():
        raise EmptyClassError(
            "no face of 32 px or more was there to be found, or none was found; train longer "
            "or name another --data"
        )
    order = np.argsort(-scores)
    hits = np.cumsum(right[order])
    precision, recall = hits / np.arange(1, len(hits) + 1), hits / faces

    def best(beta: float) -> float:
        weighted = (1 + beta**2) * precision * recall
        score = weighted / np.maximum(beta**2 * precision + recall, 1e-9)
        return round(float(np.clip(scores[order][int(score.argmax())], 0.2, 0.7)), 3)

    threshold = best(2.0)
    at = int(np.searchsorted(-scores[order], -threshold, side="right")) - 1
    figures: dict[str, object] = {
        "face_ap_50": round(face_ap(album, judged, found), 4),
        "face_ap_50_all_sizes": round(face_ap(album, judged, found, counted=1.0), 4),
        "threshold": threshold,
        "certain": max(threshold, best(1.0)),
        "precision": round(float(precision[at]), 4),
        "recall": round(float(recall[at]), 4),
        "pictures": len(judged),
        "faces": faces,
        "smallest_counted_px": COUNTED,
        "input": RUNNING_SIZE,
        "samples_trained": trained.samples,
    }
    for name in ("keypoints", "portraits_cc_by"):
        indices = [i for i in album.of(name) if album.records[i].faces]
        if indices:
            seen = detect(
                trained.model,
                [album.pictures[i] for i in indices],
                RUNNING_SIZE,
                least=threshold,
                overlap=OVERLAP,
            )
            _, found_right, there = _hits(album, indices, seen)
            figures[f"recall_{name}"] = round(float(found_right.sum()) / max(1, there), 4)
    empty = album.of("negatives")
    if empty:
        seen = detect(
            trained.model,
            [album.pictures[i] for i in empty],
            RUNNING_SIZE,
            least=threshold,
            overlap=OVERLAP,
        )
        figures["false_faces_per_empty_picture"] = round(
            sum(len(s.scores) for s in seen) / len(empty), 4
        )
    draw_precision_recall(
        recall.tolist(),
        precision.tolist(),
        run / "pr.png",
        f"faces, AP {figures['face_ap_50']:.3f}",
    )
    if data is None:
        write_json(figures, run / "figures.json")
    return figures


def evaluate_classifier(
    run: Path, prepared: Path, data: Path | None, templates: Path | None
) -> dict[str, object]:
    """Accuracy, precision, recall, F1, confusion, false admits and refusals; by set, face size and
    sharpness.
    """
    trained = open_classifier(run)
    configuration = trained.configuration
    held = held_out_crops(
        validation(prepared, data, templates), configuration.size, configuration.margin
    )
    logits = logits_of(trained.model, held.crops)
    genuine = real(held)
    if data is None:
        temperature = temperature_of(logits[genuine], held.labels[genuine])
    else:
        temperature = float(chosen(run)["temperature"])
    probabilities = calibrated(logits, temperature)
    # Wrongly worn masks are too few among the real ones to place a threshold: what was drawn has
    # its say too.
    threshold = (
        threshold_of(probabilities, held.labels)
        if data is None
        else float(chosen(run)["threshold"])
    )
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
        "samples_trained": trained.samples,
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


def chosen(run: Path) -> dict[str, float]:
    """What `evaluate` chose and measured for a run. Raises MissingCheckpointError."""
    path = run / "figures.json"
    if not path.is_file():
        raise MissingCheckpointError(
            f"{path} is not there; run `python -m training evaluate` on this run first: it "
            f"chooses the thresholds"
        )
    figures: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    return figures


def evaluate_pipeline(
    detector: Path, classifier: Path, prepared: Path, data: Path | None
) -> dict[str, object]:
    """Whole pictures through both models, at the thresholds that `evaluate` chose: is each labelled
    face judged right?

    A masked face must be with_mask, any other anything but; a face that is not found counts as
    wrong.
    """
    finder, judge = open_detector(detector), open_classifier(classifier)
    album = validation(prepared, data, None)
    indices = boxed_pictures(album)
    certain, settings = float(chosen(detector)["threshold"]), chosen(classifier)
    found = detect(
        finder.model,
        [album.pictures[i] for i in indices],
        RUNNING_SIZE,
        least=certain,
        overlap=OVERLAP,
    )
    labels: list[int] = []
    crops = []
    missed = dict.fromkeys(LABELS, 0)
    for index, detections in zip(indices, found, strict=True):
        for face in album.records[index].faces:
            if (
                face.ignore
                or face.label is None
                or min(face.box[2] - face.box[0], face.box[3] - face.box[1]) < COUNTED
            ):
                continue
            shared = (
                overlaps(np.array([face.box], np.float32), detections.boxes)[0]
                if len(detections.scores)
                else np.zeros(1)
            )
            if shared.max() < 0.5:
                missed[face.label] += 1
                continue
            box = detections.boxes[int(shared.argmax())]
            crops.append(
                fitted(
                    cut(album.pictures[index], box.tolist(), judge.configuration.margin),
                    judge.configuration.size,
                )
            )
            labels.append(LABELS.index(face.label))
    if not crops:
        raise EmptyClassError(
            "not one labelled face of 32 px or more was found; train the detector longer or "
            "name another --data"
        )
    logits = logits_of(judge.model, np.stack(crops))
    probabilities = calibrated(logits, float(settings["temperature"]))
    guesses, truth = (
        verdicts(probabilities, float(settings["threshold"])),
        np.array(labels, np.int64),
    )
    right = int(((guesses == 0) == (truth == 0)).sum())
    figures: dict[str, object] = {
        "right_verdict": round(right / (len(labels) + sum(missed.values())), 4),
        "faces": len(labels) + sum(missed.values()),
        "missed": missed,
        "macro_f1_of_found": round(macro_f1(truth, guesses), 4),
        **admission_figures(truth, guesses),
    }
    if data is None:
        write_json(figures, detector / "pipeline.json")
    return figures
