"""A classifier beside the shipped one: what is not known is said, and what is worse is named."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.training.clips import BARE, MASKED, clip, varied
from training.graphs.face_finder import FaceFinder
from training.measuring.intervals import Rate
from training.measuring.shipped_comparison import (
    SYNTHETIC,
    compare_with_shipped,
    comparison_table,
    risks_of,
    unknowns,
    untested_labels,
)
from training.records.record import FaceRecord, Record
from training.samples.dataset import PictureDataset
from training.samples.mask_crops import held_out_crops, real

ALL = {"with_mask": 40, "without_mask": 40, "incorrect_mask": 40}
NO_WRONG = ALL | {"incorrect_mask": 0}


def figures(
    own: dict[str, Rate], shipped: dict[str, Rate], counts: dict[str, int] = ALL
) -> dict[str, Any]:
    return {
        "faces_by_label": {"train": counts, "validation": counts},
        "beside_shipped": {
            "shipped_model": "mask-classifier",
            "own": {k: r.as_json() for k, r in own.items()},
            "shipped": {k: r.as_json() for k, r in shipped.items()},
        },
    }


def test_a_label_without_a_face_is_said_in_words_with_its_split() -> None:
    assert unknowns({"train": ALL, "validation": ALL}) == []
    assert unknowns({"train": NO_WRONG, "validation": NO_WRONG}) == [
        "No wrongly worn mask was in the training or validation pictures: what the model does with "
        "them is not known."
    ]
    assert unknowns({"train": ALL, "validation": NO_WRONG}) == [
        "No wrongly worn mask was in the validation pictures: what the model does with them is not "
        "known."
    ]
    assert untested_labels({"train": NO_WRONG, "validation": ALL}) == ("incorrect_mask",)


def test_a_model_that_clearly_admits_more_than_the_shipped_one_is_a_risk_with_its_figures() -> None:
    own = {"false_admit_without_mask": Rate(17, 100), "false_admit_incorrect_mask": Rate(8, 10)}
    shipped = {"false_admit_without_mask": Rate(1, 100), "false_admit_incorrect_mask": Rate(1, 10)}
    first, second = risks_of(figures(own, shipped))
    assert first.startswith("The model admits 17.0% (10.9%")
    assert "of the bare faces; the shipped model admits 1.0%" in first
    assert "the same 100 faces" in first
    assert "wrongly worn masks" in second


def test_a_difference_within_the_intervals_is_no_risk() -> None:
    own, shipped = (
        {"false_admit_without_mask": Rate(3, 50)},
        {"false_admit_without_mask": Rate(1, 50)},
    )
    assert risks_of(figures(own, shipped)) == []
    assert risks_of(figures(shipped, own)) == []


def test_synthetic_masks_are_called_synthetic() -> None:
    (unknown, worse) = risks_of(
        figures({SYNTHETIC: Rate(80, 100)}, {SYNTHETIC: Rate(5, 100)}, NO_WRONG)
    )
    assert unknown.startswith("No wrongly worn mask")
    assert "of the synthetic wrongly worn masks" in worse


def test_a_run_that_was_never_compared_is_a_risk() -> None:
    (line,) = risks_of({"threshold": 0.5})
    assert "was not compared with the shipped one" in line


def test_both_models_judge_the_same_faces_and_wrongly_worn_masks_are_drawn_on_the_bare_ones() -> (
    None
):
    finder = FaceFinder()
    records, pictures = [], []
    for label, frames in (("with_mask", MASKED), ("without_mask", BARE)):
        for n, picture in enumerate(varied([clip()[f] for f in frames], 8)):
            found = finder.find(picture)
            if found:
                height, width = picture.shape[:2]
                face = FaceRecord(found[0].box, label)
                name = f"{label}-{n}"
                records.append(
                    Record("mine", name, name, "validation", width, height, True, None, (face,))
                )
                pictures.append(picture.astype(np.uint8))
    dataset = PictureDataset(records, pictures, [], None)
    held = held_out_crops(dataset, 96, 0.2)
    admits_all: NDArray[np.int64] = np.zeros(len(held.crops), np.int64)
    done = compare_with_shipped(
        dataset,
        held,
        real(held),
        admits_all,
        lambda crops: np.zeros(len(crops), np.int64),
        size=96,
        margin=0.2,
        least=32,
        draws=True,
    )
    assert done is not None
    bare = sum(r.faces[0].label == "without_mask" for r in records)
    assert done.own_rates["false_admit_without_mask"] == Rate(bare, bare)
    assert done.own_rates["false_refusal"].count == 0
    assert done.own_rates[SYNTHETIC] == Rate(bare, bare)
    shipped = done.shipped_rates
    assert shipped["right_verdict"].of == done.own_rates["right_verdict"].of == len(records)
    assert shipped["right_verdict"].count > 0.8 * len(records)
    assert shipped[SYNTHETIC].of == bare
    assert shipped[SYNTHETIC].count < bare

    table = comparison_table({"beside_shipped": done.as_json()}, "mine")
    assert table is not None
    rows = list(zip(*(column.cells for column in table.columns), strict=True))
    assert ("wrongly worn masks admitted", "not known", "not known", "0") in rows
    assert any(row[0] == "wrongly worn masks admitted (synthetic)" for row in rows)
