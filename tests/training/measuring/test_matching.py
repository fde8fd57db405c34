from dataclasses import replace

import numpy as np
import pytest

from tests.training.systems import records, sight, truth
from training.graphs.system import UNJUDGED
from training.measuring.detection_curve import detection_curve
from training.measuring.intervals import Rate
from training.measuring.matching import MISSED, Outcome, match_detections, match_faces, outcomes
from training.measuring.verdict_rates import verdict_rates
from training.records.record import LABELS, FaceRecord


def outcome(truth: str, said: str | int) -> Outcome:
    said = LABELS.index(said) if isinstance(said, str) else said
    return Outcome(LABELS.index(truth), said, 0.5, 50, 100, 100, "s")


def test_a_face_and_a_detection_meet_at_most_once_and_the_closest_first() -> None:
    faces = np.array([[0, 0, 10, 10], [2, 0, 12, 10]], np.float32)
    found = np.array([[2, 0, 12, 10], [50, 50, 60, 60]], np.float32)
    assert match_faces(faces, found) == {1: 0}


def test_every_labelled_face_has_an_outcome() -> None:
    rows, pictures = records(2)
    record, picture = rows[0], pictures[0]
    first, second = record.faces
    seen = sight([(first.box, 0.9, LABELS.index(str(first.label))), (second.box, 0.3, 1)])
    done = outcomes(record, picture, seen, threshold=0.5)
    assert [o.said for o in done] == [LABELS.index(str(first.label)), MISSED]
    assert done[0].right
    assert not done[1].right
    assert all(o.sharpness > 0 and 0 < o.brightness < 255 for o in done)


def test_a_face_too_small_to_be_judged_is_not_dressed_as_a_verdict() -> None:
    rows, pictures = records(1)
    seen = sight([(f.box, 0.9, UNJUDGED) for f in rows[0].faces])
    done = outcomes(rows[0], pictures[0], seen, 0.5)
    assert [o.said for o in done] == [UNJUDGED, UNJUDGED]
    assert verdict_rates(done).unjudged == Rate(2, 2)
    assert verdict_rates(done).right.count == 0


def test_small_ignored_and_unlabelled_faces_are_not_asked_for() -> None:
    rows, pictures = records(1)
    box = rows[0].faces[0].box
    faces = (
        FaceRecord(box, "with_mask", ignore=True),
        FaceRecord((0, 0, 12, 12), "with_mask"),
        FaceRecord(box, None),
    )
    assert outcomes(replace(rows[0], faces=faces), pictures[0], sight([]), 0.5) == []


def test_verdicts_are_counted_by_what_they_do_at_a_door() -> None:
    told = verdict_rates(
        [
            outcome("with_mask", "with_mask"),
            outcome("with_mask", "without_mask"),
            outcome("with_mask", MISSED),
            outcome("without_mask", "incorrect_mask"),
            outcome("without_mask", "with_mask"),
            outcome("incorrect_mask", "without_mask"),
            outcome("incorrect_mask", "with_mask"),
            outcome("incorrect_mask", MISSED),
        ]
    )
    assert told.right == Rate(3, 8)
    assert told.false_refusal == Rate(1, 2)
    assert told.false_admit_without_mask == Rate(1, 2)
    assert told.false_admit_incorrect_mask == Rate(1, 2)
    assert told.missed == Rate(2, 8)
    assert told.right_by_label["with_mask"] == Rate(1, 3)


def test_detections_on_ignored_regions_are_neither_right_nor_wrong() -> None:
    rows, _ = records(1)
    box = rows[0].faces[0].box
    record = replace(rows[0], faces=(FaceRecord(box, ignore=True), rows[0].faces[1]))
    seen = sight([(box, 0.9, 0), (rows[0].faces[1].box, 0.8, 0), ((0, 0, 40, 119), 0.7, 0)])
    scores, right, places, faces = match_detections([record], [seen.faces])
    assert faces == 1
    assert right.tolist() == [True, False]
    assert scores.tolist() == pytest.approx([0.8, 0.7])
    assert places.tolist() == [0, 0]


def test_the_interval_of_average_precision_is_around_it_and_repeatable() -> None:
    rows, _ = records(12)
    found = [sight(truth(r)[: 1 + n % 2]).faces for n, r in enumerate(rows)]
    curve = detection_curve(rows, found)
    low, high = curve.interval or (1.0, 0.0)
    assert low < curve.average_precision < high
    assert curve.average_precision == pytest.approx(0.75, abs=0.02)
    assert detection_curve(rows, found).interval == curve.interval
    assert curve.at(0.5) == (18, 18)
    assert curve.at(0.95) == (0, 0)
    perfect = detection_curve(rows, [sight(truth(r)).faces for r in rows])
    assert perfect.interval == pytest.approx((1.0, 1.0))
