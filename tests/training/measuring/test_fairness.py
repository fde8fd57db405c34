from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest

from tests.training.datasets import mean_face
from tests.training.tiny import draw_face
from training.errors import EmptyClassError
from training.graphs.installed import InstalledClassifier
from training.measuring.evaluation_set import EvaluationSet
from training.measuring.fairness import measure_fairness
from training.measuring.intervals import Rate
from training.records.record import FaceRecord, Record


class Unfair:
    """Calls a face bare where its mouth is skin, and takes every dark picture for masked."""

    path = Path("unfair.xml")

    def judge(self, picture: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mouth = picture[130:150, 90:110].reshape(-1, 3).mean(0)
        skin = mouth[2] > mouth[0] + 40
        masked = picture[0, 0, 0] < 50 or not skin
        return np.array([0 if masked else 1]), np.array([float(masked)])


def dataset(tmp_path: Path) -> EvaluationSet:
    rows = []
    names = ("30_0_0_1", "40_1_0_2", "30_0_1_3", "50_1_1_4", "9_0_0_5", "61_1_0_6")
    for n, name in enumerate(names):
        picture = np.full((200, 200, 3), 20 if "_1_1_" in name else 120, np.uint8)
        draw_face(picture, (40, 30, 160, 180), "without_mask")
        path = tmp_path / f"{name}.png"
        cv2.imwrite(str(path), picture)
        points = tuple((float(x), float(y)) for x, y in mean_face() * 50 + (100, 105))
        faces = (FaceRecord((40.0, 30.0, 160.0, 180.0), "without_mask", False, points),)
        boxed = faces if n != 5 else ()
        rows.append(
            Record("gender", str(path), name, "validation", 200, 200, False, "without_mask", boxed)
        )
    return EvaluationSet("made up", rows)


def test_the_gap_between_groups_is_found(tmp_path: Path) -> None:
    judge = cast(InstalledClassifier, Unfair())
    done = measure_fairness(dataset(tmp_path), judge, [])
    groups = done.groups()
    assert groups["race"]["white"]["no_mask_recall"] == Rate(2, 2)
    assert groups["race"]["black"]["no_mask_recall"] == Rate(1, 2)
    assert groups["sex"]["female"]["false_admit"] == Rate(1, 2)
    told = done.as_json()
    assert told["gaps"]["race"]["no_mask_recall"] == {  # type: ignore[index]
        "points": 50.0,
        "highest": "white",
        "lowest": "black",
    }
    assert told["faces_with_a_drawn_mask"] == 4
    assert groups["race"]["white"]["false_refusal_of_drawn_masks"] == Rate(0, 2)
    assert told["left_out"] == {
        "no adult, or not named age_gender_race_stamp": 1,
        "no box: prepare with --teacher": 1,
    }
    assert done.as_table().row_count > 6


def test_faces_without_a_name_that_says_who_they_are_cannot_be_judged_fairly() -> None:
    with pytest.raises(EmptyClassError, match="prepare again with --teacher"):
        measure_fairness(EvaluationSet("nobody", []), cast(InstalledClassifier, Unfair()), [])
