"""Which faces the classifier gets: `known` is None for those, and holds what stands for others."""

from datetime import UTC, datetime, timedelta

import pytest

from cloud.contract import Label
from edge.tracking.sightings import SightingTracker
from edge.tracking.turns import AGAIN_S
from edge.tracking.votes import VotingRules
from edge.values import Box, Face, Judgement, Verdict

WITH, WITHOUT = Label.WITH_MASK, Label.WITHOUT_MASK
START = datetime(2026, 1, 2, tzinfo=UTC)


class Door:
    """One person at a door, judged when it is due, as the pipeline does.

    Attributes:
        judged: Of each frame, whether the classifier was asked.
        verdicts: (seconds, label).
    """

    def __init__(self, fps: float) -> None:
        self._sightings = SightingTracker(VotingRules())
        self._fps = fps
        self._frames = 0
        self.judged: list[bool] = []
        self.verdicts: list[tuple[float, Label]] = []

    def show(self, label: Label, seconds: float) -> float:
        """Show a face for some seconds; return when it was shown first."""
        begun = self._frames / self._fps
        for _ in range(round(seconds * self._fps)):
            self._frame(label)
        return begun

    def _frame(self, label: Label) -> None:
        now = self._frames / self._fps
        x = 100 + self._frames % 3
        (each,) = self._sightings.associate([Face(Box(x, 90, x + 80, 170), 0.9)], now)
        self._frames += 1
        self.judged.append(each.known is None)
        if each.known is not None:
            assert each.known.face == each.face
            return
        rest = {other: 0.05 for other in Label if other is not label}
        judgement = Judgement(each.face, label, rest | {label: 0.9})
        said: list[Verdict] = self._sightings.vote(
            [each], [judgement], START + timedelta(seconds=now)
        )
        self.verdicts += [(now, verdict.label) for verdict in said]


@pytest.mark.parametrize("label", [WITH, WITHOUT])
@pytest.mark.parametrize("fps", [10, 15, 30])
def test_somebody_with_a_verdict_is_judged_five_times_a_second(label: Label, fps: int) -> None:
    door = Door(fps)
    door.show(label, 1)
    decided = round(door.verdicts[0][0] * fps)
    assert all(door.judged[: decided + 1])
    before = sum(door.judged)
    door.show(label, 4)
    assert sum(door.judged) - before == pytest.approx(4 / AGAIN_S, abs=1)
    assert len(door.verdicts) == 1


def test_a_slow_camera_has_each_face_judged_in_each_frame() -> None:
    door = Door(5)
    door.show(WITH, 4)
    assert all(door.judged)


@pytest.mark.parametrize("fps", [5, 10, 15, 30])
def test_a_mask_put_on_after_the_refusal_admits_within_a_vote_and_one_interval(fps: int) -> None:
    door = Door(fps)
    door.show(WITHOUT, 3.1)
    put_on = door.show(WITH, 2)
    (_, refused), (admitted_s, admitted) = door.verdicts
    assert (refused, admitted) == (WITHOUT, WITH)
    vote_s = 0.4 if fps > 5 else 0.8
    assert admitted_s - put_on <= vote_s + AGAIN_S + 1e-6


@pytest.mark.parametrize("fps", [5, 10, 15, 30])
def test_a_mask_taken_off_after_the_pass_is_told_within_its_vote_and_one_interval(fps: int) -> None:
    door = Door(fps)
    door.show(WITH, 3.1)
    taken_off = door.show(WITHOUT, 3)
    (_, first), (told_s, told) = door.verdicts
    assert (first, told) == (WITH, WITHOUT)
    assert told_s - taken_off <= 1.0 + AGAIN_S + 1 / fps


def test_one_odd_judgement_changes_no_verdict_and_ends_the_close_look_again() -> None:
    door = Door(30)
    door.show(WITH, 3)
    door.show(WITHOUT, 0.2)
    before = sum(door.judged)
    door.show(WITH, 3)
    assert sum(door.judged) - before <= 3 / AGAIN_S + 2
    assert len(door.verdicts) == 1
