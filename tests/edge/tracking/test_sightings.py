import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.contract import Event, Label
from edge.pipeline import event_of
from edge.tracking.sightings import SightingTracker
from edge.tracking.votes import PATIENCE, SLOW_VOTES, VotingRules
from edge.values import Box, Face, Judgement, Verdict

WITH, WITHOUT, WRONGLY = Label.WITH_MASK, Label.WITHOUT_MASK, Label.INCORRECT_MASK
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HERE = Box(100, 100, 200, 200)
RULES = VotingRules(votes=5, majority=0.7, cooldown_s=3, lost_after_s=1.5)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def face(label: Label, confidence: float = 0.9, box: Box = HERE, score: float = 0.9) -> Judgement:
    rest = (1 - confidence) / 2
    probabilities = {other: confidence if other is label else rest for other in Label}
    return Judgement(Face(box, score), label, probabilities)


def see(
    sightings: SightingTracker,
    judgements: list[Judgement],
    seconds: float,
    wall: datetime | None = None,
) -> list[Verdict]:
    """One frame with these faces; all of them are judged."""
    by_face = {judged.face: judged for judged in judgements}
    tracked = sightings.associate([judged.face for judged in judgements], seconds)
    return sightings.vote(tracked, [by_face[each.face] for each in tracked], wall or at(seconds))


def play(
    sightings: SightingTracker,
    labels: list[Label],
    *,
    start: float = 0,
    fps: float = 10,
    box: Box = HERE,
) -> list[Verdict]:
    """One person with these labels, frame by frame."""
    verdicts = []
    for i, label in enumerate(labels):
        verdicts += see(sightings, [face(label, box=box)], start + i / fps)
    return verdicts


def see_held(sightings: SightingTracker, label: Label, seconds: float) -> list[Verdict]:
    """One frame with one face, whose pass is held back."""
    tracked = sightings.associate([face(label).face], seconds)
    held = {each.track for each in tracked}
    return sightings.vote(tracked, [face(label)], at(seconds), held)


def test_a_pass_that_is_held_back_comes_with_the_first_vote_after_it() -> None:
    sightings = SightingTracker(RULES)
    assert [v for n in range(30) for v in see_held(sightings, WITH, n / 10)] == []
    (verdict,) = see(sightings, [face(WITH)], 3.0)
    assert (verdict.label, verdict.votes) == (WITH, 31)


def test_a_refusal_is_never_held_back() -> None:
    sightings = SightingTracker(RULES)
    (verdict,) = [v for n in range(30) for v in see_held(sightings, WITHOUT, n / 10)]
    assert verdict.label is WITHOUT


def test_a_pass_after_a_refusal_is_held_back_too() -> None:
    sightings = SightingTracker(RULES)
    assert len(play(sightings, [WITHOUT] * 8)) == 1
    assert [v for n in range(8, 40) for v in see_held(sightings, WITH, n / 10)] == []
    assert [v.label for v in play(sightings, [WITH], start=4.0)] == [WITH]


def test_a_verdict_comes_with_the_last_vote_that_it_needs() -> None:
    sightings = SightingTracker(RULES)
    assert play(sightings, [WITHOUT] * 4) == []
    (verdict,) = play(sightings, [WITHOUT], start=0.4)
    assert (verdict.label, verdict.votes, verdict.confidence) == (WITHOUT, 5, 1.0)
    assert (verdict.first_seen_at, verdict.occurred_at) == (at(0), at(0.4))


def test_a_sighting_has_one_verdict_however_long_it_lasts() -> None:
    assert len(play(SightingTracker(RULES), [WITH] * 600)) == 1
    assert len(play(SightingTracker(RULES), [WITHOUT] * 600)) == 1


def test_a_certain_vote_weighs_more_than_a_doubtful_one() -> None:
    sightings = SightingTracker(VotingRules(votes=5, majority=0.6))
    frames = [face(WITH, 0.99)] * 3 + [face(WITHOUT, 0.5)] * 2
    verdicts = [v for i, f in enumerate(frames) for v in see(sightings, [f], i / 10)]
    assert [v.label for v in verdicts] == [WITH]
    assert verdicts[0].confidence == pytest.approx(2.97 / 3.97)


def test_what_is_faintly_like_a_face_has_no_verdict_however_long_it_lasts() -> None:
    sightings = SightingTracker(VotingRules(votes=5, certain_threshold=0.6))
    faint = [face(WITHOUT, score=0.5 + 0.15 * (i % 7 == 0)) for i in range(300)]
    assert [v for i, f in enumerate(faint) for v in see(sightings, [f], i / 10)] == []


def test_who_comes_nearer_becomes_certain_and_was_followed_before() -> None:
    sightings = SightingTracker(VotingRules(votes=5, certain_threshold=0.6))
    scores = [0.45] * 10 + [0.9] * 15
    frames = [face(WITHOUT, score=score) for score in scores]
    (verdict,) = [v for i, f in enumerate(frames) for v in see(sightings, [f], i / 10)]
    assert verdict.first_seen_at == at(0)
    assert at(1.0) < verdict.occurred_at <= at(2.0)


def test_flickering_labels_wait_for_a_majority() -> None:
    flicker = [WITH, WITHOUT] * 3
    sightings = SightingTracker(RULES)
    assert play(sightings, flicker) == []
    (verdict,) = play(sightings, [WITH] * 6, start=0.6)
    assert verdict.label is WITH


def test_a_door_in_doubt_stays_shut() -> None:
    verdicts = play(SightingTracker(RULES), [WITH, WRONGLY] * 20)
    assert [v.label for v in verdicts] == [WRONGLY]
    assert verdicts[0].votes == PATIENCE * RULES.votes


def test_who_puts_the_mask_right_after_a_refusal_gets_a_second_verdict() -> None:
    sightings = SightingTracker(RULES)
    refused, granted = play(sightings, [WITHOUT] * 10 + [WITH] * 60)
    assert (refused.label, granted.label) == (WITHOUT, WITH)
    assert granted.sighting == refused.sighting
    assert at(1.3) <= granted.occurred_at <= at(1.4)
    assert granted.first_seen_at == refused.first_seen_at


def test_the_event_of_a_return_begins_with_the_return() -> None:
    sightings = SightingTracker(RULES)
    (refused,) = play(sightings, [WITHOUT] * 10)
    (granted,) = play(sightings, [WITH] * 10, start=4)
    assert granted.sighting == refused.sighting
    assert granted.first_seen_at == at(4)
    assert at(4.4) <= granted.occurred_at <= at(4.5)


def test_a_few_lucky_votes_turn_no_refusal() -> None:
    labels = [WITHOUT] * 5 + ([WITH] * 3 + [WITHOUT] * 2) * 30
    assert [v.label for v in play(SightingTracker(RULES), labels)] == [WITHOUT]


@pytest.mark.parametrize("fps", [5, 10, 15, 30])
@pytest.mark.parametrize("label", [WITHOUT, WRONGLY])
def test_a_mask_that_comes_off_after_the_pass_is_reported_once(label: Label, fps: int) -> None:
    sightings = SightingTracker(RULES)
    granted, removed = play(sightings, [WITH] * 2 * fps + [label] * 20 * fps, fps=fps)
    assert (granted.label, removed.label) == (WITH, label)
    assert removed.sighting == granted.sighting
    assert at(2.8) <= removed.occurred_at <= at(3.1)
    assert play(sightings, ([WITH] * 2 * fps + [WITHOUT] * 2 * fps) * 3, start=22, fps=fps) == []


def test_a_mask_that_flickers_after_the_pass_is_not_reported() -> None:
    labels = [WITH] * 10 + ([WITHOUT] * 8 + [WITH] * 3) * 30
    assert [v.label for v in play(SightingTracker(RULES), labels)] == [WITH]


def test_a_mask_is_not_refused_and_admitted_for_ever() -> None:
    labels = ([WITHOUT] * 20 + [WITH] * 20) * 20
    verdicts = play(SightingTracker(RULES), labels)
    assert [v.label for v in verdicts] == [WITHOUT, WITH, WITHOUT]


def test_who_is_gone_for_long_enough_is_somebody_new() -> None:
    sightings = SightingTracker(RULES)
    (first,) = play(sightings, [WITH] * 5)
    (second,) = play(sightings, [WITH] * 5, start=20)
    assert second.sighting != first.sighting
    assert second.first_seen_at == at(20)


def test_a_face_that_is_missed_for_a_moment_stays_the_same_person() -> None:
    sightings = SightingTracker(RULES)
    play(sightings, [WITH] * 5)
    assert play(sightings, [WITH] * 50, start=1.8) == []


def test_a_broken_track_does_not_bring_the_same_verdict_again() -> None:
    sightings = SightingTracker(VotingRules(votes=5, cooldown_s=10, lost_after_s=1))
    play(sightings, [WITH] * 5)
    assert play(sightings, [WITH] * 150, start=9) == []
    assert len(play(sightings, [WITH] * 150, start=60)) == 1


def test_a_mask_that_is_gone_after_a_broken_track_is_reported() -> None:
    sightings = SightingTracker(VotingRules(votes=5, cooldown_s=10, lost_after_s=1))
    (granted,) = play(sightings, [WITH] * 5)
    (removed,) = play(sightings, [WITHOUT] * 15, start=2)
    assert (removed.label, removed.sighting) == (WITHOUT, granted.sighting)


def test_the_cooldown_holds_for_the_place_and_not_for_the_gate() -> None:
    sightings = SightingTracker(VotingRules(votes=5, cooldown_s=10, lost_after_s=1))
    play(sightings, [WITH] * 5)
    assert len(play(sightings, [WITH] * 5, start=2, box=Box(400, 100, 500, 200))) == 1


def test_people_beside_each_other_are_judged_each_and_the_nearest_first() -> None:
    sightings = SightingTracker(RULES)
    near, far = Box(0, 0, 200, 200), Box(300, 0, 380, 80)
    verdicts = []
    for i in range(5):
        frame = [face(WITHOUT, box=far), face(WITH, box=near)]
        verdicts += see(sightings, frame, i / 10)
    assert [(v.label, v.box) for v in verdicts] == [(WITH, near), (WITHOUT, far)]
    assert len(sightings) == 2


def test_two_boxes_of_one_face_are_one_person() -> None:
    whole, upper = Box(100, 100, 200, 240), Box(110, 80, 190, 170)
    assert whole.iou(upper) < 0.45
    sightings = SightingTracker(RULES)
    verdicts = []
    for i in range(10):
        sure = Judgement(Face(whole, 0.9), WITH, {WITH: 0.9, WITHOUT: 0.1, WRONGLY: 0.0})
        faint = Judgement(Face(upper, 0.5), WITHOUT, {WITH: 0.1, WITHOUT: 0.9, WRONGLY: 0.0})
        verdicts += see(sightings, [faint, sure], i / 10)
    assert [(v.label, v.box) for v in verdicts] == [(WITH, whole)]


def test_people_who_pass_each_other_keep_their_votes() -> None:
    sightings = SightingTracker(VotingRules(votes=10))
    verdicts = []
    for i in range(10):
        left = Box(i * 20, 0, i * 20 + 100, 100)
        right = Box(400 - i * 20, 150, 500 - i * 20, 250)
        verdicts += see(sightings, [face(WITH, box=left), face(WITHOUT, box=right)], i / 10)
    assert sorted(v.label for v in verdicts) == [WITH, WITHOUT]
    assert all(v.confidence == 1 for v in verdicts)


@pytest.mark.parametrize("jump", [-3600, -0.2, 0.2, 1, 3600, 86_400])
def test_a_wall_clock_that_is_set_changes_no_verdict(jump: float) -> None:
    sightings = SightingTracker(RULES)
    verdicts = []
    for i in range(20):
        wall = at(i / 10 + (jump if i >= 2 else 0))
        verdicts += see(sightings, [face(WITH)], i / 10, wall)
    (verdict,) = verdicts
    assert verdict.occurred_at == at(0.4 + jump)
    assert verdict.occurred_at - verdict.first_seen_at == timedelta(seconds=0.4)
    assert isinstance(event_of(verdict, {}), Event)


def test_a_wall_clock_that_is_set_back_hides_nobody() -> None:
    """Twenty people in 52 minutes, and the clock goes back an hour after the second."""
    sightings = SightingTracker(RULES)
    verdicts = []
    for person in range(20):
        for i in range(20):
            seconds = person * 156 + i / 10
            wall = at(seconds - (3600 if person >= 2 else 0))
            verdicts += see(sightings, [face(WITH)], seconds, wall)
    assert len(verdicts) == 20


def test_frame_times_that_begin_anew_stop_no_tracking() -> None:
    sightings = SightingTracker(RULES)
    see(sightings, [face(WITH)], 100)
    (first,) = play(sightings, [WITH] * 4, start=10)
    (second,) = play(sightings, [WITHOUT] * 5, start=20)
    assert first.first_seen_at <= first.occurred_at
    assert second.sighting != first.sighting


def test_six_people_before_a_device_that_judges_four_faces_get_six_verdicts() -> None:
    sightings = SightingTracker(RULES)
    people = [
        face(WITH if i % 2 else WITHOUT, box=Box(i * 90, 0, i * 90 + 80, 80 + i)) for i in range(6)
    ]
    verdicts = []
    for frame in range(12):
        by_box = {person.face.box: person for person in people}
        tracked = sightings.associate([person.face for person in people], frame / 10)[:4]
        judged = [by_box[each.face.box] for each in tracked]
        verdicts += sightings.vote(tracked, judged, at(frame / 10))
    assert sorted(verdict.label for verdict in verdicts) == [WITH] * 3 + [WITHOUT] * 3
    assert max(verdict.occurred_at for verdict in verdicts) == at(0.9)


def test_nobody_is_no_verdict() -> None:
    sightings = SightingTracker(RULES)
    assert [v for i in range(50) for v in see(sightings, [], i)] == []
    assert len(sightings) == 0


people = st.lists(
    st.tuples(
        st.floats(0, 5),
        st.lists(
            st.tuples(st.sampled_from(list(Label)), st.floats(0.34, 1), st.integers(0, 500)),
            max_size=3,
        ),
    ),
    max_size=80,
)


@given(frames=people, votes=st.integers(1, 6), majority=st.floats(0.51, 1))
def test_whatever_is_seen_the_rules_hold(
    frames: list[tuple[float, list[tuple[Label, float, int]]]], votes: int, majority: float
) -> None:
    rules = VotingRules(votes=votes, majority=majority)
    sightings = SightingTracker(rules)
    now = 0.0
    by_sighting: dict[int, list[Verdict]] = {}
    for pause, seen in frames:
        now += pause
        frame = [face(label, p, Box(x, 0, x + 100, 100)) for label, p, x in seen]
        for verdict in see(sightings, frame, now):
            by_sighting.setdefault(verdict.sighting, []).append(verdict)
            # The wire takes whatever the vote gives.
            assert isinstance(event_of(verdict, {}), Event)
            assert verdict.votes >= min(votes, SLOW_VOTES)
            assert verdict.occurred_at == at(now)
    for verdicts in by_sighting.values():
        assert len(verdicts) <= 3
        assert sum(verdict.admits for verdict in verdicts) <= 1
        for before, after in itertools.pairwise(verdicts):
            assert before.admits is not after.admits
        for verdict in verdicts:
            assert not verdict.admits or verdict.confidence >= majority


def test_other_rules_hold_from_the_next_frame_on_and_votes_keep_counting() -> None:
    sightings = SightingTracker(RULES)
    assert play(sightings, [WITH] * 4) == []
    sightings.change_rules(VotingRules(votes=20, majority=0.7, cooldown_s=3, lost_after_s=1.5))
    assert play(sightings, [WITH] * 15, start=0.4) == []
    (verdict,) = play(sightings, [WITH], start=1.9)
    assert verdict.votes == 20


def test_fewer_votes_settle_what_waits() -> None:
    sightings = SightingTracker(RULES)
    assert play(sightings, [WITHOUT] * 2) == []
    sightings.change_rules(VotingRules(votes=3, majority=0.7, cooldown_s=3, lost_after_s=1.5))
    (verdict,) = play(sightings, [WITHOUT], start=0.2)
    assert verdict.label is WITHOUT
