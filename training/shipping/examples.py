"""Examples of a model's verdicts on held-out pictures: right ones and the worst failures.

The pictures are of the sets, and are shown nowhere but in a report.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import precision_recall_curve, roc_curve

from training.boxes.blending import overlaps
from training.boxes.cropping import cut, fitted
from training.boxes.detections import Detections
from training.errors import UnknownArchitectureError
from training.figures.plots import draw_precision_recall, draw_roc
from training.measuring.average_precision import COUNTED
from training.measuring.calibration import calibrated, verdicts
from training.measuring.evaluation_set import boxed_by_people, labelled
from training.measuring.trained_models import (
    open_classifier,
    open_detector,
    open_gender,
    read_figures,
)
from training.measuring.validation_dataset import boxed_pictures, measured_dataset
from training.networks.checkpoint import load
from training.networks.detection import detect
from training.networks.detector import RUNNING_SIZE
from training.networks.logits import logits_of
from training.records.pictures import Pixels
from training.records.record import LABELS, FaceRecord
from training.samples.gender_crops import GENDER_SET, GENDERS, adults_of, held_out_adults
from training.samples.mask_crops import held_out_crops, real

WORST = 20
"""Failures of each model that a report shows."""

SHOWN_RIGHT = 12
"""Right verdicts of each model that a report shows."""
TILE = 144
"""Side of a tile in pixels."""

ALIKE = 14
"""Bits of a 64-bit perceptual hash in which two tiles may differ and still look the same."""

_TRUE, _SAID = (80, 170, 40), (40, 60, 220)  # BGR: people drew green boxes, the model red ones


@dataclass(frozen=True, slots=True)
class Example:
    """One tile of a report.

    Attributes:
        picture: BGR u8 [S, S, 3].
        said: The model's verdict.
        truth: The label.
        source: The set and the size of the face.
    """

    picture: Pixels
    said: str
    truth: str
    source: str


@dataclass(frozen=True, slots=True)
class Examples:
    """The examples of one run.

    Attributes:
        right: Right verdicts, drawn by lot.
        wrong: Failures, the worst first.
        rights: How many right verdicts there are in all.
        wrongs: How many failures there are in all.
        split: The split that was judged: `test` or `validation`.
    """

    right: list[Example]
    wrong: list[Example]
    rights: int
    wrongs: int
    split: str


def kind_of(run: Path) -> str:
    """Read the kind of model that a run trained.

    Args:
        run: The run's folder.

    Returns:
        `detector`, `classifier` or `gender`.

    Raises:
        MissingCheckpointError: The run has no `best.pt`.
    """
    return str(load(run / "best.pt")["configuration"]["kind"])


def examples_of(run: Path, prepared: Path) -> Examples:
    """Judge pictures with a run's best model, at the thresholds that `evaluate` chose.

    They are those of the test split, or of validation where there is no test split.

    roc.png and pr.png are drawn into the run's folder on the way.

    Args:
        run: The run's folder.
        prepared: The folder that `prepare` wrote.

    Returns:
        The examples.

    Raises:
        CheckpointError: The run has no model, or was not evaluated.
        DataError: The split cannot be read.
        UnknownArchitectureError: The run's kind of model is not known.
    """
    kinds: dict[str, Callable[[Path, Path], Examples]] = {
        "detector": detector_examples,
        "classifier": classifier_examples,
        "gender": gender_examples,
    }
    kind = kind_of(run)
    if kind not in kinds:
        raise UnknownArchitectureError(f"{run}: {kind!r} is not a kind of model that is known")
    return kinds[kind](run, prepared)


def _chosen(
    labels: NDArray[np.int64],
    guesses: NDArray[np.int64],
    certainty: NDArray[np.float32],
    example: Callable[[int], Example],
    split: str,
) -> Examples:
    right, wrong = np.flatnonzero(labels == guesses), np.flatnonzero(labels != guesses)
    # The worst failure has the highest probability of the wrong label.
    worst = wrong[np.argsort(-certainty[wrong], kind="stable")]
    lot = np.random.default_rng(1).permutation(right)
    return Examples(
        _different((example(int(i)) for i in lot), SHOWN_RIGHT),
        _different((example(int(i)) for i in worst), WORST),
        len(right),
        len(wrong),
        split,
    )


def _different(examples: Iterable[Example], most: int) -> list[Example]:
    """Keep the first examples that look like none before them.

    A set may hold one picture many times, turned and sharpened.

    Args:
        examples: The examples, in order.
        most: How many are kept at most.

    Returns:
        The kept examples.
    """
    kept: list[Example] = []
    hashes: list[imagehash.ImageHash] = []
    for example in examples:
        looks = imagehash.phash(Image.fromarray(example.picture[:, :, ::-1]).convert("L"))
        if all(looks - other > ALIKE for other in hashes):
            hashes.append(looks)
            kept.append(example)
        if len(kept) == most:
            break
    return kept


def classifier_examples(run: Path, prepared: Path) -> Examples:
    """Return examples of the mask classifier, on faces that a camera saw."""
    trained, settings = open_classifier(run), read_figures(run)
    split, dataset = measured_dataset(prepared, labelled)
    size = trained.configuration.size
    held = held_out_crops(dataset, size, trained.configuration.margin)
    kept = np.flatnonzero(real(held))
    labels, crops = held.labels[kept], held.crops[kept]
    probabilities = calibrated(logits_of(trained.model, crops), float(settings["temperature"]))
    threshold = float(settings["threshold"])
    guesses = verdicts(probabilities, threshold)
    masked = labels == 0
    if masked.any() and not masked.all():
        precision, recall, _ = precision_recall_curve(masked, probabilities[:, 0])
        draw_precision_recall(recall.tolist(), precision.tolist(), run / "pr.png", "with_mask")
        false, true, _ = roc_curve(masked, probabilities[:, 0])
        at = (
            float((probabilities[~masked, 0] >= threshold).mean()),
            float((probabilities[masked, 0] >= threshold).mean()),
        )
        draw_roc(false.tolist(), true.tolist(), at, run / "roc.png", "with_mask against the rest")

    def example(i: int) -> Example:
        share = probabilities[i, guesses[i]]
        return Example(
            fitted(crops[i], TILE),
            f"{LABELS[guesses[i]]} {share:.0%}",
            LABELS[labels[i]],
            f"{held.sets[kept[i]]}, {held.sides[kept[i]]:.0f} px",
        )

    return _chosen(labels, guesses, _certainty(probabilities, guesses), example, split)


def gender_examples(run: Path, prepared: Path) -> Examples:
    """Return examples of the gender head."""
    trained, settings = open_gender(run), read_figures(run)
    split, dataset = measured_dataset(prepared, lambda r: r.set in GENDER_SET, GENDER_SET)
    adults, configuration = adults_of(dataset), trained.configuration
    crops, genders = held_out_adults(dataset, adults, configuration.size, configuration.margin)
    probabilities = calibrated(logits_of(trained.model, crops), float(settings["temperature"]))
    guesses = probabilities.argmax(1).astype(np.int64)
    false, true, _ = roc_curve(genders == 1, probabilities[:, 1])
    women = genders == 1
    at = (float((guesses[~women] == 1).mean()), float((guesses[women] == 1).mean()))
    draw_roc(false.tolist(), true.tolist(), at, run / "roc.png", "female against male")

    def example(i: int) -> Example:
        return Example(
            fitted(crops[i], TILE),
            f"{GENDERS[guesses[i]]} {probabilities[i, guesses[i]]:.0%}",
            GENDERS[genders[i]],
            f"gender, {adults[i].band} years",
        )

    return _chosen(genders, guesses, _certainty(probabilities, guesses), example, split)


def _certainty(
    probabilities: NDArray[np.float32], guesses: NDArray[np.int64]
) -> NDArray[np.float32]:
    return probabilities[np.arange(len(guesses)), guesses]


_NO_FACE = "no face"
Corners = Sequence[float] | NDArray[np.float32]


def _view(
    picture: Pixels, box: NDArray[np.float32], others: Sequence[tuple[Corners, bool]]
) -> Pixels:
    """Cut out the surroundings of a box, with boxes drawn on.

    Args:
        picture: BGR u8 [H, W, 3].
        box: x0 y0 x1 y1 in pixels.
        others: Boxes to draw, and whether each is the model's; the others are people's.

    Returns:
        A tile.
    """
    shown = picture.copy()
    thick = max(1, round(max(box[2] - box[0], box[3] - box[1]) / 40))
    for corners, said in others:
        x0, y0, x1, y1 = (round(float(v)) for v in corners)
        cv2.rectangle(shown, (x0, y0), (x1, y1), _SAID if said else _TRUE, thick)
    return fitted(cut(shown, box.tolist(), 1.0), TILE)


def _found_examples(
    faces: tuple[FaceRecord, ...], picture: Pixels, found: Detections, source: str
) -> tuple[list[Example], list[tuple[float, Example]]]:
    """Sort the faces and detections of a picture into right and wrong ones.

    Args:
        faces: The labelled faces.
        picture: BGR u8 [H, W, 3].
        found: The detections.
        source: The set.

    Returns:
        The right ones, and the wrong ones with how bad each is, 0…1.
    """
    right: list[Example] = []
    wrong: list[tuple[float, Example]] = []
    truths = np.array([f.box for f in faces], np.float32).reshape(-1, 4)
    shared = overlaps(found.boxes.reshape(-1, 4), truths) if len(faces) else None
    drawn: list[tuple[Corners, bool]] = [(f.box, False) for f in faces if not f.ignore]
    drawn += [(box, True) for box in found.boxes]
    for i, face in enumerate(faces):
        side = min(face.box[2] - face.box[0], face.box[3] - face.box[1])
        if face.ignore or side < COUNTED:
            continue
        box = np.array(face.box, np.float32)
        hits = shared[:, i] if shared is not None and len(found.scores) else np.zeros(1)
        view = _view(picture, box, drawn)
        if hits.max() >= 0.5:
            said = f"face {found.scores[int(hits.argmax())]:.0%}"
            right.append(Example(view, said, "face", f"{source}, {side:.0f} px"))
        else:
            # The larger a missed face, the nearer to the door.
            badness = min(1.0, float(side) / 200)
            truth = f"face ({face.label})" if face.label else "face"
            near = float(hits.max())
            said = f"a box that overlaps by {near:.0%}" if near > 0.1 else "nothing"
            wrong.append((badness, Example(view, said, truth, f"{source}, {side:.0f} px")))
    for j, (box, score) in enumerate(zip(found.boxes, found.scores, strict=True)):
        side = min(box[2] - box[0], box[3] - box[1])
        # On an ignore region, too, a detection is neither right nor wrong.
        if side < COUNTED or (shared is not None and shared[j].max() >= 0.3):
            continue
        view = _view(picture, box, drawn)
        said = f"face {score:.0%}"
        wrong.append((float(score), Example(view, said, _NO_FACE, f"{source}, {side:.0f} px")))
    return right, wrong


def detector_examples(run: Path, prepared: Path) -> Examples:
    """Collect examples of the face detector.

    The failures are missed faces, the largest first, and then things taken for faces, the highest
    score first.

    Args:
        run: The run's folder.
        prepared: The folder that `prepare` wrote.

    Returns:
        The examples.
    """
    trained, least = open_detector(run), float(read_figures(run)["threshold"])
    split, dataset = measured_dataset(prepared, boxed_by_people)
    indices = boxed_pictures(dataset)
    found = detect(
        trained.model,
        [dataset.pictures[i] for i in indices],
        RUNNING_SIZE,
        least,
        threshold=least,
    )
    right: list[Example] = []
    wrong: list[tuple[float, Example]] = []
    for index, detections in zip(indices, found, strict=True):
        record = dataset.records[index]
        some, others = _found_examples(
            record.faces, dataset.pictures[index], detections, record.set
        )
        right += some
        wrong += others
    by_badness = sorted(wrong, key=lambda pair: -pair[0])
    missed = [e for _, e in by_badness if e.truth != _NO_FACE]
    false = [e for _, e in by_badness if e.truth == _NO_FACE]
    worst = (missed[: max(WORST // 2, WORST - len(false))] + false)[:WORST]
    lot = np.random.default_rng(1).permutation(len(right))[:SHOWN_RIGHT]
    return Examples([right[int(i)] for i in lot], worst, len(right), len(wrong), split)
