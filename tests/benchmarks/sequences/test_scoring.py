"""Scoring: each way to be wrong has a count of its own."""

from datetime import UTC, datetime, timedelta

from benchmarks.sequences.clips import FPS, Face
from benchmarks.sequences.judging import JudgedClip, JudgedFrame
from benchmarks.sequences.report import Report
from benchmarks.sequences.scoring import Tally, score
from cloud.contract import Label
from edge.values import Box, Verdict

HERE, THERE = Box(100, 100, 160, 170), Box(400, 100, 460, 170)
START = datetime(2026, 1, 1, tzinfo=UTC)


def clip(*labels: Label | None, real: bool = True) -> JudgedClip:
    """Each label is worn for a second, at HERE."""
    worn = [label for label in labels for _ in range(FPS)]
    frames = {n: JudgedFrame([], [Face(0, HERE, label)]) for n, label in enumerate(worn)}
    return JudgedClip("k", "", [real], [True], 0.0, frames)


def said(label: Label, frame: int, box: Box = HERE) -> tuple[int, Verdict]:
    at = START + timedelta(seconds=frame / FPS)
    return frame, Verdict(label, 0.9, 5, START, at, 1, box)


def test_one_right_verdict_is_right_and_its_delay_is_counted() -> None:
    tally = score(clip(Label.WITH_MASK), [said(Label.WITH_MASK, 15)])
    assert (tally.sightings, tally.right, tally.may_pass) == (1, 1, 1)
    assert tally.delays_s == [0.5]


def test_a_person_without_a_verdict_is_missing() -> None:
    assert score(clip(Label.WITHOUT_MASK), []).missing == 1


def test_a_pass_for_a_bare_face_is_a_false_admit() -> None:
    tally = score(clip(Label.WITHOUT_MASK), [said(Label.WITH_MASK, 9)])
    assert (tally.wrong, tally.false_admits, tally.may_not_pass, tally.right) == (1, 1, 1, 0)


def test_a_refusal_of_a_masked_face_is_a_false_refusal() -> None:
    tally = score(clip(Label.WITH_MASK), [said(Label.INCORRECT_MASK, 9)])
    assert (tally.wrong, tally.false_refusals, tally.may_pass) == (1, 1, 1)


def test_a_bare_face_that_is_said_to_wear_its_mask_wrongly_is_refused_rightly() -> None:
    assert score(clip(Label.WITHOUT_MASK), [said(Label.INCORRECT_MASK, 9)]).right == 1


def test_a_second_pass_is_counted_though_both_are_right() -> None:
    given = [said(Label.WITH_MASK, 9), said(Label.WITH_MASK, 80)]
    tally = score(clip(Label.WITH_MASK, None, Label.WITH_MASK), given)
    assert (tally.sightings, tally.right, tally.double, tally.second_passes) == (1, 1, 1, 1)


def test_who_puts_a_mask_on_is_two_sightings() -> None:
    given = [said(Label.WITHOUT_MASK, 9), said(Label.WITH_MASK, 70)]
    tally = score(clip(Label.WITHOUT_MASK, None, Label.WITH_MASK), given)
    assert (tally.sightings, tally.right, tally.second_passes) == (2, 2, 0)


def test_a_verdict_right_after_a_change_may_be_about_what_was_worn_before() -> None:
    tally = score(clip(Label.WITH_MASK, Label.WITHOUT_MASK), [said(Label.WITH_MASK, FPS + 5)])
    assert (tally.false_admits, tally.right, tally.missing) == (0, 1, 1)
    late = score(clip(Label.WITH_MASK, Label.WITHOUT_MASK), [said(Label.WITH_MASK, 2 * FPS - 1)])
    assert late.false_admits == 1


def test_a_picture_needs_no_verdict_and_must_get_no_pass() -> None:
    shown = clip(Label.WITH_MASK, real=False)
    assert score(shown, []) == Tally(sightings=1, right=1, may_not_pass=1)
    assert score(shown, [said(Label.WITHOUT_MASK, 9)]).wrong == 0
    assert score(shown, [said(Label.WITH_MASK, 9)]).false_admits == 1


def test_a_verdict_about_the_wall_is_a_stray() -> None:
    tally = score(clip(Label.WITH_MASK), [said(Label.WITHOUT_MASK, 9, THERE)])
    assert (tally.strays, tally.missing, tally.wrong) == (1, 1, 0)


def test_clips_that_show_a_picture_of_a_person_are_counted_in_the_whole_alone() -> None:
    report = Report("drawn people", 0)
    report.add("stand", "", 15, score(clip(Label.WITHOUT_MASK), []))
    shown = score(clip(Label.WITH_MASK, real=False), [said(Label.WITH_MASK, 9)])
    report.add("poster", "", 15, shown, shows_picture=True)
    assert (report.people.sightings, report.people.false_admits) == (1, 0)
    assert (report.total.sightings, report.total.false_admits) == (2, 1)
