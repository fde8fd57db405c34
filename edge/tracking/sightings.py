"""Sightings: tracking and voting turn many labels of one person into one verdict.

The module is pure: it has no clock, and no input or output. Durations come from the frames' time on
a clock that nobody sets (`edge.values.Frame.time_s`). The wall clock is only a stamp on a verdict.

A sighting is one face that is followed from frame to frame by the overlap of its boxes; nobody is
recognised. The rules, in the order in which they apply:

1. Each judged face is a vote for its label, weighted by the label's probability.
2. A verdict needs `votes` votes and a label with at least `majority` of their weight. If no label
   has that after `PATIENCE × votes` votes, the verdict is the more probable refusal: a door in
   doubt stays shut. The boxes' mean score must reach `certain_threshold`, too: an object that looks
   faintly like a face in every frame is part of the room. A low threshold to follow a face and a
   high one to be sure of it are hysteresis (Canny, A computational approach to edge detection,
   1986, section 8).
3. A sighting has one verdict, with one exception: a person who was refused may put the mask right.
   If `cooldown_s` has passed, and with_mask has at least `REVISION_SHARE` of the newest `votes`
   votes, the sighting gets a second and last verdict.
4. A person whose track broke (who turned away, say) does not get the same verdict twice in a row. A
   new sighting that begins where a decided one was lost does not get the same label within
   `cooldown_s` of that verdict. Its votes count meanwhile, and another label makes a verdict at
   once.
5. Two boxes in one frame are one face if one covers most of the other; the box with the higher
   score counts.
6. Of several people in one frame, the nearest (the largest face) comes first.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from statistics import fmean

from cloud.contract import Label
from edge.values import Box, Face, Image, Judgement, TrackedFace, Verdict

MIN_IOU = 0.2
"""Least overlap of the boxes of one person in two frames. Boxes of one size overlap by 0.2 if they
are two thirds of a face apart; a person walks as far between two frames at about 5 frames/s."""

MAX_COVER = 0.6
"""Share of the smaller box from which two boxes in one frame are one face. A detector in doubt
boxes a whole face and its upper half, and non-maximum suppression by IoU keeps both."""

PATIENCE = 3
"""Factor of `votes` after which labels without a majority are a refusal."""

REVISION_SHARE = 0.8
"""Share of with_mask in the newest votes that revises a refusal."""

MAX_VOTES = 10_000
"""Counting stops here: the limit of the wire (`cloud.contract.Event.votes`)."""


@dataclass(frozen=True, slots=True)
class VotingRules:
    """The settings of the vote.

    Attributes:
        votes: Least number of votes for a verdict.
        majority: Least share of the votes' weight for the label of a verdict, 0.5…1.
        cooldown_s: Seconds after a verdict before the same person can get another.
        lost_after_s: Seconds without the face after which a sighting is over.
        certain_threshold: Least mean score of the boxes, 0…1 (`edge.faces.FaceDetector`).
    """

    votes: int = 5
    majority: float = 0.7
    cooldown_s: float = 3.0
    lost_after_s: float = 1.5
    certain_threshold: float = 0.0


@dataclass(frozen=True, slots=True)
class _Vote:
    label: Label
    weight: float
    score: float


@dataclass(slots=True)
class _Sighting:
    number: int
    first_seen_s: float
    last_seen_s: float
    box: Box
    recent: deque[_Vote]
    predecessor: "_Decided | None"
    last_vote_s: float = -math.inf
    votes: int = 0
    verdicts: list["_Decided"] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Decided:
    """A verdict, when it came, and where the person was seen last."""

    label: Label
    at_s: float
    box: Box


class SightingTracker:
    """Follows the people in front of one gate, and counts the votes on each.

    Args:
        rules: Of the vote.
    """

    def __init__(self, rules: VotingRules) -> None:
        self._next_rules = rules
        self._current: list[_Sighting] = []
        self._recent_verdicts: list[_Decided] = []
        self._count = 0
        self._now_s = 0.0
        self._frame_s: float | None = None
        self._apply(rules)

    def change_rules(self, rules: VotingRules) -> None:
        """Use other rules from the next frame on. The votes of before still count."""
        self._next_rules = rules

    def _apply(self, rules: VotingRules) -> None:
        self._rules = rules
        for sighting in self._current:
            sighting.recent = deque(sighting.recent, maxlen=PATIENCE * rules.votes)

    def __len__(self) -> int:
        """Return how many people are followed now."""
        return len(self._current)

    def associate(
        self, faces: Iterable[Face], time_s: float, image: Image | None = None
    ) -> list[TrackedFace]:
        """Assign the faces of a frame to tracks.

        Args:
            faces: All faces of the frame.
            time_s: Of the frame, on a clock that nobody sets. If the clock goes back nevertheless,
                the frame counts as taken with the frame before, and time goes on from there.
            image: The frame.

        Returns:
            The faces with their tracks, those that need a vote most first: people without a verdict
            before others, the nearest (largest) first, then people whose last vote is oldest.
        """
        del image
        if self._next_rules is not self._rules:
            self._apply(self._next_rules)
        now = self._advance(time_s)
        self._drop_lost(now)
        nearest_first = sorted(_without_duplicates(faces), key=lambda face: -face.box.area)
        assigned = self._assign(nearest_first, now)
        for face, sighting in assigned:
            sighting.box = face.box
            sighting.last_seen_s = now
        assigned.sort(
            key=lambda pair: (
                bool(pair[1].verdicts),
                pair[1].last_vote_s if pair[1].verdicts else 0.0,
            )
        )
        return [TrackedFace(face, sighting.number, now) for face, sighting in assigned]

    def vote(
        self,
        tracked: Sequence[TrackedFace],
        judgements: Sequence[Judgement],
        captured_at: datetime,
    ) -> list[Verdict]:
        """Count the votes of one frame.

        Args:
            tracked: The faces that were judged, as `associate` returned them.
            judgements: One for each of `tracked`, in the same order.
            captured_at: Of the frame, by the wall clock.

        Returns:
            The verdicts that follow from this frame; the nearest person's is the first.
        """
        by_number = {sighting.number: sighting for sighting in self._current}
        pairs = sorted(
            zip(tracked, judgements, strict=True), key=lambda pair: -pair[0].face.box.area
        )
        verdicts = []
        for each, judged in pairs:
            sighting = by_number.get(each.track)
            if sighting is None:
                continue
            sighting.votes = min(sighting.votes + 1, MAX_VOTES)
            sighting.last_vote_s = each.seen_s
            sighting.recent.append(_Vote(judged.label, judged.confidence, judged.face.score))
            decided = self._decide(sighting, each.seen_s)
            if decided is not None:
                label, share = decided
                sighting.verdicts.append(_Decided(label, each.seen_s, sighting.box))
                sighting.recent.clear()
                verdicts.append(_verdict(sighting, label, share, each, captured_at))
        return verdicts

    def _advance(self, time_s: float) -> float:
        """Return the time on the tracker's own clock, which goes by the steps between frames."""
        if self._frame_s is not None:
            self._now_s += max(0.0, time_s - self._frame_s)
        self._frame_s = time_s
        return self._now_s

    def _drop_lost(self, now: float) -> None:
        lost_after_s = self._rules.lost_after_s
        for sighting in self._current:
            if now - sighting.last_seen_s > lost_after_s and sighting.verdicts:
                last = sighting.verdicts[-1]
                # The place where the person was last seen, which may differ from the verdict's.
                self._recent_verdicts.append(replace(last, box=sighting.box))
        self._current = [s for s in self._current if now - s.last_seen_s <= lost_after_s]
        self._recent_verdicts = [
            v for v in self._recent_verdicts if now - v.at_s < self._rules.cooldown_s
        ]

    def _assign(self, faces: list[Face], now: float) -> list[tuple[Face, _Sighting]]:
        """Assign each face to the sighting with the greatest overlap, or to a new one."""
        pairs = sorted(
            (
                (face.box.iou(sighting.box), -i, -j)
                for i, face in enumerate(faces)
                for j, sighting in enumerate(self._current)
            ),
            reverse=True,
        )
        found: dict[int, _Sighting] = {}
        taken: set[int] = set()
        for overlap, minus_i, minus_j in pairs:
            if overlap < MIN_IOU:
                break
            if -minus_i not in found and -minus_j not in taken:
                found[-minus_i] = self._current[-minus_j]
                taken.add(-minus_j)
        assigned = []
        for i, face in enumerate(faces):
            if i not in found:
                found[i] = self._begin(face.box, now)
            assigned.append((face, found[i]))
        return assigned

    def _begin(self, box: Box, now: float) -> _Sighting:
        self._count += 1
        near = [verdict for verdict in self._recent_verdicts if box.iou(verdict.box) >= MIN_IOU]
        sighting = _Sighting(
            number=self._count,
            first_seen_s=now,
            last_seen_s=now,
            box=box,
            recent=deque(maxlen=PATIENCE * self._rules.votes),
            predecessor=max(near, key=lambda verdict: verdict.at_s, default=None),
        )
        self._current.append(sighting)
        return sighting

    def _decide(self, sighting: _Sighting, now: float) -> tuple[Label, float] | None:
        """Return the label of a new verdict with its share of the votes; None for no verdict."""
        if sighting.verdicts:
            return self._revise(sighting, now)
        if len(sighting.recent) < self._rules.votes:
            return None
        if fmean(vote.score for vote in sighting.recent) < self._rules.certain_threshold:
            return None
        shares = _shares(sighting.recent)
        label = max(shares, key=lambda candidate: shares[candidate])
        if shares[label] < self._rules.majority:
            if len(sighting.recent) < PATIENCE * self._rules.votes:
                return None
            label = max(
                (Label.WITHOUT_MASK, Label.INCORRECT_MASK), key=lambda candidate: shares[candidate]
            )
        before = sighting.predecessor
        if (
            before is not None
            and before.label is label
            and now - before.at_s < self._rules.cooldown_s
        ):
            return None
        return label, shares[label]

    def _revise(self, sighting: _Sighting, now: float) -> tuple[Label, float] | None:
        last = sighting.verdicts[-1]
        if last.label is Label.WITH_MASK or now - last.at_s < self._rules.cooldown_s:
            return None
        newest = list(sighting.recent)[-self._rules.votes :]
        if len(newest) < self._rules.votes:
            return None
        share = _shares(newest)[Label.WITH_MASK]
        if share < max(REVISION_SHARE, self._rules.majority):
            return None
        return Label.WITH_MASK, share


def _without_duplicates(faces: Iterable[Face]) -> list[Face]:
    """Keep one box of each face: the box with the highest score."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.score):
        if all(face.box.cover(other.box) < MAX_COVER for other in kept):
            kept.append(face)
    return kept


def _shares(votes: Iterable[_Vote]) -> dict[Label, float]:
    """Return each label's share of the weight; the sum is 1, or 0 if the votes have no weight."""
    weights = dict.fromkeys(Label, 0.0)
    for vote in votes:
        weights[vote.label] += vote.weight
    total = sum(weights.values())
    return {label: weight / total if total else 0.0 for label, weight in weights.items()}


def _verdict(
    sighting: _Sighting, label: Label, share: float, seen: TrackedFace, captured_at: datetime
) -> Verdict:
    # The wall clock may have been set since the person came, so the first time is computed from
    # the last: an event of negative length is none that the wire takes.
    length = timedelta(seconds=seen.seen_s - sighting.first_seen_s)
    return Verdict(
        label=label,
        confidence=min(share, 1.0),
        votes=sighting.votes,
        first_seen_at=captured_at - length,
        occurred_at=captured_at,
        sighting=sighting.number,
        box=seen.face.box,
    )
