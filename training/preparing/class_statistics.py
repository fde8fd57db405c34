"""Statistics of each class of a prepared set, and how well they separate two classes."""

from collections import defaultdict
from itertools import combinations
from pathlib import Path
from typing import TypedDict

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot
from sklearn.metrics import roc_auc_score

from training.figures.contact_sheets import spread, write_sheet
from training.graphs.face_finder import Face
from training.preparing.collect import crop_of
from training.records.inspection import FaceQuality, Inspection, labelled_boxes
from training.records.pictures import read_picture
from training.records.record import LABELS, Record
from training.records.splits import STRICTNESS
from training.storage import atomic_write

MEASURES = ("sharpness", "brightness", "side")
TELLING = 0.7
"""Least AUC at which a model may learn a measure instead of masks; a warning is given."""
_ENOUGH = 10
"""Least number of faces in each class for an AUC."""
_NAMES = {"sharpness": "sharpness", "brightness": "brightness", "side": "size"}


class ClassStatistics(TypedDict):
    """The statistics as they stand in report.json."""

    classes: dict[str, dict[str, object]]
    told_apart_by: dict[str, dict[str, float]]
    warnings: list[str]


def by_label(inspected: Inspection) -> dict[str, list[FaceQuality]]:
    """Return the labelled faces of each class that occurs."""
    found: dict[str, list[FaceQuality]] = defaultdict(list)
    for looks in inspected.faces:
        for look in looks:
            found[look.label].append(look)
    return {label: found[label] for label in LABELS if label in found}


def _values(looks: list[FaceQuality], measure: str) -> list[float]:
    return [float(getattr(look, measure)) for look in looks]


def class_statistics(inspected: Inspection) -> ClassStatistics:
    """Measure the faces of each class.

    Args:
        inspected: What was measured in the pictures.

    Returns:
        Of each class the number of faces and the quartiles of sharpness, brightness and size; of
        each two classes, how well each measure alone separates them (AUC, 0.5 for not at all);
        and warnings.
    """
    looks = by_label(inspected)
    classes: dict[str, dict[str, object]] = {
        label: {"faces": len(found)}
        | {
            m: [round(float(q), 1) for q in np.quantile(_values(found, m), (0.25, 0.5, 0.75))]
            for m in MEASURES
        }
        for label, found in looks.items()
    }
    apart: dict[str, dict[str, float]] = {}
    warnings = []
    for first, second in combinations(looks, 2):
        if min(len(looks[first]), len(looks[second])) < _ENOUGH:
            continue
        truth = [0] * len(looks[first]) + [1] * len(looks[second])
        pair = apart.setdefault(f"{first} / {second}", {})
        for m in MEASURES:
            area = float(roc_auc_score(truth, _values(looks[first], m) + _values(looks[second], m)))
            pair[m] = round(max(area, 1 - area), 3)
            if pair[m] >= TELLING:
                warnings.append(
                    f"{_NAMES[m]} alone tells {first} from {second} (AUC {pair[m]:.2f}): a model "
                    f"may learn {_NAMES[m]} instead of masks; take both with the same camera, "
                    "light and distance"
                )
    if not looks:
        warnings.append("not one face has a label: only a detector can be trained on this")
    elif len(looks) == 1:
        (only,) = looks
        warnings.append(
            f"every labelled face is {only}: a classifier cannot be trained on one class; add "
            "faces of another"
        )
    for label, found in looks.items():
        if len(found) < 100:
            warnings.append(f"{label}: {len(found)} faces are few; collect some hundreds")
    return {"classes": classes, "told_apart_by": apart, "warnings": warnings}


def draw_statistics(records: list[Record], inspected: Inspection, path: Path) -> None:
    """Plot the faces of each class by split, and the three measures by class.

    Raises:
        StorageError: The file cannot be written.
    """
    looks = by_label(inspected)
    figure, panels = pyplot.subplots(2, 2, figsize=(10, 7), layout="constrained")
    counts = panels[0][0]
    splits = [s for s in STRICTNESS if s != "test" or any(r.split == s for r in records)]
    width = 0.8 / len(splits)
    for place, split in enumerate(splits):
        heights = [
            sum(
                look.label == label
                for record, found in zip(records, inspected.faces, strict=True)
                for look in found
                if record.split == split
            )
            for label in looks
        ]
        bars = counts.bar(np.arange(len(looks)) + width * place, heights, width, label=split)
        counts.bar_label(bars)
    counts.set_xticks(np.arange(len(looks)) + 0.4 - width / 2, list(looks))
    counts.set(title="faces")
    if looks:
        counts.legend()
    for axes, measure in zip(panels.ravel()[1:], MEASURES, strict=True):
        everything = [v for found in looks.values() for v in _values(found, measure)] or [0.0, 1.0]
        bins = np.linspace(0, max(1.0, float(np.quantile(everything, 0.98))), 30)
        for label, found in looks.items():
            axes.hist(
                np.clip(_values(found, measure), 0, bins[-1]),
                bins=bins,
                density=True,
                histtype="step",
                linewidth=2,
                label=label,
            )
        axes.set(title=f"{_NAMES[measure]} by class", yticks=[])
        if looks:
            axes.legend()
    with atomic_write(path) as out:
        figure.savefig(out, format="png", dpi=110)
    pyplot.close(figure)


def draw_sheets(records: list[Record], folder: Path) -> list[Path]:
    """Draw a contact sheet, sheet_<label>.png, for each class that occurs.

    Args:
        records: The pictures.
        folder: Where the sheets go.

    Returns:
        The paths of the sheets.

    Raises:
        StorageError: A sheet cannot be written.
    """
    faces: dict[str, list[tuple[Record, tuple[float, float, float, float]]]] = defaultdict(list)
    for record in records:
        for label, box in labelled_boxes(record):
            faces[label].append((record, box))
    written = []
    for label in LABELS:
        tiles = []
        for index in spread(len(faces[label])) if faces[label] else []:
            record, box = faces[label][index]
            picture = read_picture(Path(record.path))
            if picture is not None:
                crop, _, _ = crop_of(picture, Face(box, 1.0), 0.3)
                if crop.size:
                    tiles.append((crop, record.split))
        if tiles:
            written.append(folder / f"sheet_{label}.png")
            write_sheet(tiles, written[-1])
    return written
