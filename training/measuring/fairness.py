"""`evaluate fairness`: are bare faces and masked faces judged alike for all groups of people?

The groups are sex, race group and age band of the held-out faces of the gender set (UTKFace), as
its authors read them (`training/samples/adults.py`). Each face is judged bare and with a mask drawn
on.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from training.errors import EmptyClassError
from training.graphs.installed import InstalledClassifier
from training.measuring.average_precision import COUNTED
from training.measuring.evaluation_set import EvaluationSet
from training.measuring.intervals import Rate, rounded
from training.measuring.matching import shorter_side
from training.records.pictures import Pixels
from training.records.record import LABELS, Record
from training.samples.gender_crops import (
    ADULT,
    AGE_BANDS,
    GENDER_SET,
    GENDERS,
    RACES,
    attributes_from_name,
)
from training.samples.synthetic_masks import (
    Points,
    Template,
    complete_points,
    draw_mask,
    mean_shape,
)

_BARE = LABELS.index("without_mask")
_MASKED = LABELS.index("with_mask")


@dataclass(frozen=True, slots=True)
class Person:
    """One face: its groups, and its labels.

    Attributes:
        groups: Pairs of a way of grouping and the group.
        bare: The label of the bare face, as a place in LABELS.
        dressed: The label with a drawn mask; None where no landmarks say where to draw it.
    """

    groups: tuple[tuple[str, str], ...]
    bare: int
    dressed: int | None


@dataclass(frozen=True, slots=True)
class Fairness:
    """The rates of each group.

    Attributes:
        data: What was judged.
        model: The classifier's file.
        people: The faces.
        left_out: The number of faces left out for each reason.
    """

    data: str
    model: str
    people: list[Person]
    left_out: Counter[str]

    def groups(self) -> dict[str, dict[str, dict[str, Rate]]]:
        """Compute no-mask recall, false admits and false refusals of each group.

        Returns:
            The rates by way of grouping, by group and by name.
        """
        parted: dict[str, dict[str, list[Person]]] = defaultdict(lambda: defaultdict(list))
        for person in self.people:
            for title, group in person.groups:
                parted[title][group].append(person)
        return {
            title: {group: _rates(people) for group, people in sorted(rows.items())}
            for title, rows in parted.items()
        }

    def as_json(self) -> dict[str, object]:
        """Return every rate, and the gap between the best and the worst group of each grouping."""
        groups = self.groups()
        return {
            "data": self.data,
            "model": self.model,
            "faces": len(self.people),
            "faces_with_a_drawn_mask": sum(p.dressed is not None for p in self.people),
            "all": {name: rate.as_json() for name, rate in _rates(self.people).items()},
            "by": {
                title: {
                    group: {name: rate.as_json() for name, rate in rates.items()}
                    for group, rates in rows.items()
                }
                for title, rows in groups.items()
            },
            "gaps": {
                title: {name: _gap(rows, name) for name in _NAMES} for title, rows in groups.items()
            },
            "left_out": dict(self.left_out),
        }

    def as_table(self) -> Table:
        """Return the rates for people."""
        table = Table(
            "by", "group", "faces", "no-mask recall", "false admits", "false refusals, drawn masks",
            title=f"{self.model}: {self.data}",
        )  # fmt: skip
        for title, rows in self.groups().items():
            for group, rates in rows.items():
                cells = (str(rates[name]) for name in _NAMES)
                table.add_row(title, group, str(rates["no_mask_recall"].of), *cells)
            gap = _gap(rows, "no_mask_recall")
            table.add_row(title, "worst to best", "", f"{gap['points']} points", end_section=True)
        return table


_NAMES = ("no_mask_recall", "false_admit", "false_refusal_of_drawn_masks")


def _rates(people: list[Person]) -> dict[str, Rate]:
    dressed = [p.dressed for p in people if p.dressed is not None]
    return {
        "no_mask_recall": Rate(sum(p.bare == _BARE for p in people), len(people)),
        "false_admit": Rate(sum(p.bare == _MASKED for p in people), len(people)),
        "false_refusal_of_drawn_masks": Rate(sum(d != _MASKED for d in dressed), len(dressed)),
    }


def _gap(rows: dict[str, dict[str, Rate]], name: str) -> dict[str, object]:
    """The gap between the best and the worst group, in points of a hundred; none of one group."""
    values = {g: r[name].value for g, r in rows.items()}
    known = {g: v for g, v in values.items() if v is not None}
    if len(known) < 2:
        return {"points": None, "highest": None, "lowest": None}
    highest, lowest = max(known, key=lambda g: known[g]), min(known, key=lambda g: known[g])
    points = rounded(100 * (known[highest] - known[lowest]))
    return {"points": points, "highest": highest, "lowest": lowest}


def measure_fairness(
    dataset: EvaluationSet,
    classifier: InstalledClassifier,
    templates: list[Template],
    least: float = COUNTED,
) -> Fairness:
    """Judge the adults of the gender set, bare and with a drawn mask.

    The drawing has a fixed seed.

    Args:
        dataset: The pictures.
        classifier: The classifier.
        templates: The mask pictures that are drawn.
        least: Shorter side in pixels from which a face counts.

    Returns:
        The rates of each group.

    Raises:
        EmptyClassError: There is no adult face.
    """
    kept = [r for r in dataset.records if r.set in GENDER_SET]
    mean = _mean(dataset.records)
    people = []
    left_out: Counter[str] = Counter()
    rng = np.random.default_rng(5)
    for record, picture in EvaluationSet(dataset.name, kept).pictures("faces"):
        groups = _groups(Path(record.path))
        if groups is None:
            left_out["no adult, or not named age_gender_race_stamp"] += 1
            continue
        if not record.faces:
            left_out["no box: prepare with --teacher"] += 1
            continue
        face = record.faces[0]
        if shorter_side(face) < least:
            left_out[f"smaller than {least:.0f} px"] += 1
            continue
        box = np.array([face.box], np.float32)
        bare = int(classifier.judge(picture, box)[0][0])
        dressed = None
        if mean is not None and len(face.points) >= 5:
            masked = _dressed(picture, np.array(face.points, np.float32), mean, templates, rng)
            dressed = int(classifier.judge(masked, box)[0][0])
        people.append(Person(tuple(groups), bare, dressed))
    if not people:
        raise EmptyClassError(
            f"{dataset.name}: no adult face named age_gender_race_stamp with a box; put such "
            "pictures into a folder gender/ and run prepare again with --teacher"
            + "".join(f"; {count} left out: {why}" for why, count in left_out.items())
        )
    return Fairness(dataset.name, classifier.path.name, people, left_out)


def _groups(path: Path) -> list[tuple[str, str]] | None:
    said = attributes_from_name(path)
    if said is None or said[0] < ADULT:
        return None
    age, gender, race = said
    low, high = next(b for b in AGE_BANDS if b[0] <= age < b[1])
    return [
        ("sex", GENDERS[gender]),
        ("race", RACES[race]),
        ("age", f"{low}-{high - 1}" if high < 200 else f"{low} and over"),
        ("sex and race", f"{GENDERS[gender]}, {RACES[race]}"),
    ]


def _shapes(records: list[Record]) -> Iterator[Points]:
    for record in records:
        for face in record.faces:
            if len(face.points) == 68:
                yield np.array(face.points, np.float32)


def _mean(records: list[Record]) -> Points | None:
    shapes = list(_shapes(records))
    return mean_shape(shapes) if shapes else None


def _dressed(
    picture: Pixels,
    points: Points,
    mean: Points,
    templates: list[Template],
    rng: np.random.Generator,
) -> Pixels:
    masked = picture.copy()
    draw_mask(masked, complete_points(points, mean), "right", templates, rng)
    return masked
