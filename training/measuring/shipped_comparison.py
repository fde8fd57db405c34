"""A classifier beside the shipped one, on the same faces: what the user's own figures hide.

A model that was trained without wrongly worn masks can be right about every picture of its own
validation split and still let most wrongly worn masks in. So the faces that are not there are
named, and synthetic ones are drawn in their place.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from training.boxes.cropping import cut, fitted
from training.errors import ModelError
from training.graphs.face_finder import SHIPPED, FaceFinder
from training.graphs.installed import InstalledClassifier, pairs_in
from training.measuring.calibration import admission_rates
from training.measuring.intervals import Rate
from training.records.pictures import Pixels
from training.records.record import LABELS
from training.samples.dataset import PictureDataset
from training.samples.mask_crops import HeldOutCrops, held_out_crops
from training.samples.wrongly_worn import DrawnFace, wrongly_worn

Judge = Callable[[Pixels], NDArray[np.int64]]
"""Crops u8 [N, S, S, 3] → labels [N], as places in LABELS."""

SYNTHETIC = "false_admit_synthetic_incorrect_mask"
"""The rate of admitting drawn wrongly worn masks."""

NAMES = {
    "right_verdict": "right verdicts",
    "false_admit_without_mask": "bare faces admitted",
    "false_admit_incorrect_mask": "wrongly worn masks admitted",
    SYNTHETIC: "wrongly worn masks admitted (synthetic)",
    "false_refusal": "masked faces refused",
}
"""What people call the rates, in the order in which they are shown."""

ADMITS = ("false_admit_without_mask", "false_admit_incorrect_mask", SYNTHETIC)
"""The rates by which a door is dangerous."""

PEOPLE = {
    "with_mask": ("masked face", "bare or wrongly masked faces"),
    "without_mask": ("bare face", "bare faces"),
    "incorrect_mask": ("wrongly worn mask", "wrongly worn masks"),
}


@dataclass(frozen=True, slots=True)
class ShippedComparison:
    """The rates of two classifiers on the same faces.

    Attributes:
        shipped: What the shipped model is called.
        own_rates: Of the classifier that was trained, by the keys of NAMES; a rate without a face
            is left out.
        shipped_rates: The same of the shipped classifier.
    """

    shipped: str
    own_rates: dict[str, Rate]
    shipped_rates: dict[str, Rate]

    def as_json(self) -> dict[str, object]:
        """Return the rates of both, with intervals and counts."""
        return {
            "shipped_model": self.shipped,
            "own": {name: rate.as_json() for name, rate in self.own_rates.items()},
            "shipped": {name: rate.as_json() for name, rate in self.shipped_rates.items()},
        }


def compare_with_shipped(
    dataset: PictureDataset,
    held: HeldOutCrops,
    genuine: NDArray[np.bool_],
    said: NDArray[np.int64],
    judge: Judge,
    *,
    size: int,
    margin: float,
    least: float,
    draws: bool,
) -> ShippedComparison | None:
    """Judge the faces of a split with the shipped classifier too.

    Args:
        dataset: The split.
        held: Its crops, as the trained classifier saw them.
        genuine: The crops that count [N].
        said: What the trained classifier said of each crop [N].
        judge: The trained classifier, for the faces with drawn masks.
        size: Side in pixels of the trained classifier's crops.
        margin: Room around a face in these crops, as a share of its longer side.
        least: Shorter side in pixels from which a face counts.
        draws: Whether wrongly worn masks are drawn on the bare faces.

    Returns:
        Both models' rates; None if no shipped model is there.
    """
    try:
        pair = pairs_in(SHIPPED.parent)[0]
        shipped = InstalledClassifier(pair.classifier)
    except ModelError:
        return None
    side = shipped.side or size
    theirs = (
        held if (side, shipped.margin) == (size, margin)
        else held_out_crops(dataset, side, shipped.margin)
    )  # fmt: skip
    truth = held.labels[genuine]
    own = _rates(truth, said[genuine])
    other = _rates(truth, _labels(shipped, theirs.crops[genuine]))
    if draws:
        faces = wrongly_worn(dataset, _finder(), least)
        if faces:
            own[SYNTHETIC] = _admitted(judge(_crops(faces, size, margin)))
            other[SYNTHETIC] = _admitted(_labels(shipped, _crops(faces, side, shipped.margin)))
    return ShippedComparison(shipped.path.stem, own, other)


def _finder() -> "Callable[[Pixels], tuple[float, float, float, float] | None]":
    finder = FaceFinder()

    def largest(picture: Pixels) -> tuple[float, float, float, float] | None:
        found = finder.find(picture)
        return found[0].box if found else None

    return largest


def _crops(faces: list[DrawnFace], size: int, margin: float) -> Pixels:
    return np.stack([fitted(cut(f.picture, f.box.tolist(), margin), size) for f in faces])


def _labels(classifier: InstalledClassifier, crops: Pixels) -> NDArray[np.int64]:
    return np.array([classifier.label(classifier.probabilities(c)) for c in crops], np.int64)


def _admitted(said: NDArray[np.int64]) -> Rate:
    return Rate(int((said == 0).sum()), len(said))


def _rates(truth: NDArray[np.int64], said: NDArray[np.int64]) -> dict[str, Rate]:
    right = int(((said == 0) == (truth == 0)).sum())
    return {"right_verdict": Rate(right, len(truth)), **admission_rates(truth, said)}


def count_labels(labels: Iterable[int]) -> dict[str, int]:
    """Count the faces of each label; a label without a face is there with 0."""
    counts = Counter(labels)
    return {name: counts[place] for place, name in enumerate(LABELS)}


def untested_labels(counts: Mapping[str, Mapping[str, int]]) -> tuple[str, ...]:
    """Name the labels of which training or validation had no face.

    Args:
        counts: Faces of each label, by split (`train`, `validation`).

    Returns:
        The labels, in the order of LABELS.
    """
    return tuple(
        label for label in LABELS if any(not split.get(label) for split in counts.values())
    )


def unknowns(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Say in words which faces a model was not trained or tested on.

    Args:
        counts: Faces of each label, by split (`train`, `validation`).

    Returns:
        A sentence for each label without a face.
    """
    lines = []
    for label in untested_labels(counts):
        names = {"train": "training", "validation": "validation"}
        where = " or ".join(
            names.get(split, split) for split, faces in counts.items() if not faces.get(label)
        )
        one, _ = PEOPLE[label]
        lines.append(
            f"No {one} was in the {where} pictures: what the model does with them is not known."
        )
    return lines


def risks_of(figures: Mapping[str, object]) -> list[str]:
    """Name what speaks against letting a model decide at a door.

    Args:
        figures: What `evaluate classifier --run` wrote into `figures.json`.

    Returns:
        A sentence for each label without a face, and for each rate of false admits that is clearly
        higher than the shipped model's on the same faces: the two 95 % intervals do not meet. If
        the models were not compared, one sentence says so.
    """
    counts, compared = figures.get("faces_by_label"), figures.get("beside_shipped")
    if not isinstance(counts, Mapping) or not isinstance(compared, Mapping):
        return [
            "The model was not compared with the shipped one: run `python -m training evaluate "
            "classifier --run RUN` first."
        ]
    lines = unknowns(counts)
    own, shipped = compared["own"], compared["shipped"]
    for name in ADMITS:
        if name in own and name in shipped and own[name]["low"] > shipped[name]["high"]:
            what = PEOPLE[
                "without_mask" if name == "false_admit_without_mask" else "incorrect_mask"
            ][1]
            kind = "synthetic " if name == SYNTHETIC else ""
            lines.append(
                f"The model admits {_words(own[name])} of the {kind}{what}; the shipped model "
                f"admits {_words(shipped[name])} of the same {own[name]['of']} faces."
            )
    return lines


def _words(rate: Mapping[str, int]) -> str:
    return str(Rate(rate["count"], rate["of"]))


def comparison_table(figures: Mapping[str, object], title: str) -> Table | None:
    """Show both models side by side.

    Args:
        figures: What `evaluate classifier --run` returned.
        title: Names the model that was trained.

    Returns:
        A table with intervals and numbers of faces; None where there is no comparison.
    """
    compared = figures.get("beside_shipped")
    if not isinstance(compared, Mapping):
        return None
    own, shipped = compared["own"], compared["shipped"]
    table = Table(
        "on the same faces (95 % interval)", title, "the shipped model", "faces",
        title="beside the shipped model",
    )  # fmt: skip
    for name, words in NAMES.items():
        if name in own:
            table.add_row(words, _words(own[name]), _words(shipped[name]), str(own[name]["of"]))
        elif name != SYNTHETIC:
            table.add_row(words, "not known", "not known", "0")
    return table
