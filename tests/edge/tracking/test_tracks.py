"""Tracks: what a faint box may do, and when a look is taken."""

from cloud.contract import Label
from edge.tracking.appearance import Look, look_of
from edge.tracking.sightings import SightingTracker
from edge.tracking.tracks import FAINT_SCORE, TrackList
from edge.tracking.votes import VotingRules
from edge.values import Box, Face, Image
from tests.edge.tracking.simulation import Detector, Person, labels, simulate, stand, wears
from tests.edge.tracking.test_appearance import HERE, drawn

RULES = VotingRules()
SURE, FAINT = Face(HERE, 0.9), Face(HERE, 0.2)
THERE = Face(Box(80, 130, 160, 230), 0.9)


def numbers(tracker: SightingTracker, faces: list[Face], at_s: float, *faint: Face) -> list[int]:
    return [each.track for each in tracker.associate(faces, at_s, drawn(0), faint)]


def test_faint_boxes_keep_a_track_alive() -> None:
    with_faint, without = SightingTracker(RULES), SightingTracker(RULES)
    for tracker, faint in ((with_faint, [FAINT]), (without, [])):
        for n in range(30):
            is_sure = n < 8 or n >= 18
            numbers(tracker, [SURE] if is_sure else [], n / 10, *([] if is_sure else faint))
    # The face is missed for a second. With its faint boxes there is no gap.
    assert len(with_faint) == len(without) == 1
    moved = Face(Box(HERE.x0 + 60, HERE.y0, HERE.x1 + 60, HERE.y1), 0.9)
    assert numbers(with_faint, [moved], 3.2) == numbers(with_faint, [moved], 3.3)


def test_a_faint_box_begins_no_track_and_has_no_vote() -> None:
    tracker = SightingTracker(RULES)
    for n in range(20):
        assert numbers(tracker, [], n / 10, FAINT) == []
    assert len(tracker) == 0


def test_faint_boxes_alone_keep_no_track_for_ever() -> None:
    tracker = SightingTracker(RULES)
    for n in range(5):
        numbers(tracker, [SURE], n / 10)
    for n in range(5, 25):
        numbers(tracker, [], n / 10, FAINT)
    assert len(tracker) == 0


def test_noise_far_from_a_track_or_below_the_least_score_does_not_keep_it() -> None:
    for box in (Face(THERE.box, 0.3), Face(HERE, FAINT_SCORE / 2)):
        tracks = TrackList(look_of)
        for n in range(5):
            tracks.follow([SURE], n / 10, drawn(0), RULES)
        tracks.follow([], 0.5, drawn(0), RULES, faint=[box])
        (track,) = tracks
        assert track.motion.last_s == 0.4


def test_a_faint_box_of_somebody_else_does_not_keep_a_track() -> None:
    tracks = TrackList(look_of)
    for n in range(5):
        tracks.follow([SURE], n / 10, drawn(0), RULES)
    tracks.follow([], 0.5, drawn(3), RULES, faint=[FAINT])
    (track,) = tracks
    assert track.motion.last_s == 0.4


def test_somebody_who_stands_alone_is_looked_at_five_times_a_second() -> None:
    looked: list[Box] = []

    def describe(image: Image, box: Box) -> Look | None:
        looked.append(box)
        return look_of(image, box)

    tracks = TrackList(describe)
    for n in range(60):
        tracks.follow([SURE], n / 30, drawn(0), RULES)
    assert 9 <= len(looked) <= 15


def test_a_face_that_the_detector_doubts_now_and_then_has_one_verdict() -> None:
    """Half of the boxes are below the threshold for two seconds."""
    someone = Person(stand(320, 180, 80), wears(Label.WITH_MASK))
    (verdicts,) = simulate([someone], seconds=6, fps=15, detector=Detector(faint=0.5))
    assert labels(verdicts) == [Label.WITH_MASK]
