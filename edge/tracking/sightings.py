"""Sightings: many labels of one person become one verdict.

The package has no clock, and no input or output. Durations come from the frames' time on a clock
that nobody sets (`edge.values.Frame.time_s`). The wall clock is only a stamp on a verdict.

A track is a face that is followed without a break (`tracks.py`). A sighting is a person, over one
track or several. The rules, in the order in which they apply:

1. The votes of a track lead to a verdict (`votes.py`).
2. A track that comes to its first verdict is the person of an earlier sighting if that one was lost
   near this place at most `lost_after_s + cooldown_s` ago, and looks the same. Otherwise the track
   is a new person. Where nobody's look is known, the place alone counts.
3. A track that begins where somebody was lost, and looks different, needs votes from
   `DOUBT_S` for its first verdict: it may be the same person behind a hand.
4. A person who was refused gets a second verdict with a full vote for with_mask, at once.
5. A person who was admitted gets a verdict of refusal if a full vote of at least `REMOVAL_S` is
   against the mask: it was taken off after the pass. No further verdict follows, so nobody gets two
   passes in one sighting.
6. Of several people in one frame, those without a verdict are judged first, the nearest (the
   largest face) before others.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from cloud.contract import Label
from edge.tracking.appearance import ALLOWANCE, SAME, WALKING, Describe, look_of
from edge.tracking.tracks import Sighting, Track, TrackList
from edge.tracking.turns import is_due
from edge.tracking.votes import (
    LEAST_SPAN_S,
    REFUSALS,
    Vote,
    VotingRules,
    quality_of,
    sharpness_of,
)
from edge.values import Box, Face, Image, Judgement, TrackedFace, Verdict

DOUBT_S = 0.8
"""Least seconds of votes on a track that may be an earlier person, and looks different."""

REMOVAL_S = 1.0
"""Least seconds of the votes that say that a mask was taken off after the pass."""

_NEAR = 1.5
"""Face sizes between the place where a person was lost and the place of the same person later."""

_WALK = 1.5
"""Face sizes per second that are added to this for the time between."""

_FARTHEST = 5.0
"""Largest such distance in face sizes."""

_MAX_GROWTH = 0.5
"""Largest difference of the logarithm of the sizes of one person."""

_MAX_VOTES = 10_000
"""Counting stops here: the limit of the wire (`cloud.contract.Event.votes`)."""


class SightingTracker:
    """Follows the people in front of one gate, and counts the votes on each.

    Args:
        rules: Of the vote.
        describe: Returns the look of a face.
    """

    def __init__(self, rules: VotingRules, describe: Describe = look_of) -> None:
        self._rules = self._next_rules = rules
        self._tracks = TrackList(describe)
        self._lost: list[Sighting] = []
        self._image: Image | None = None
        self._sightings = 0
        self._now_s = 0.0
        self._frame_s: float | None = None

    def change_rules(self, rules: VotingRules) -> None:
        """Use other rules from the next frame on. The votes of before still count."""
        self._next_rules = rules

    def __len__(self) -> int:
        """Return how many faces are followed now."""
        return len(self._tracks)

    def associate(
        self,
        faces: Iterable[Face],
        time_s: float,
        image: Image | None = None,
        faint: Iterable[Face] = (),
    ) -> list[TrackedFace]:
        """Assign the faces of a frame to tracks.

        Args:
            faces: All faces of the frame.
            time_s: Of the frame, on a clock that nobody sets. If the clock goes back nevertheless,
                the frame counts as taken with the frame before, and time goes on from there.
            image: The frame; None if it is not at hand, and places alone count.
            faint: Boxes below the detector's threshold, from `tracks.FAINT_SCORE` on. They keep
                tracks alive; they begin none and have no vote.

        Returns:
            The faces with their tracks, those that need a vote most first: people without a verdict
            before others, the nearest (largest) first, then people whose last vote is oldest. Those
            whose last judgement still stands (`turns.py`) need none, and bring it along.
        """
        if self._next_rules is not self._rules:
            self._rules = self._next_rules
            for track in self._tracks:
                track.tally.use(self._rules)
        now_s = self._advance(time_s)
        self._image = image
        lost = [sighting.look for sighting in self._lost]
        assigned, ended = self._tracks.follow(
            faces, now_s, image, self._rules, faint=faint, lost=lost
        )
        self._remember(ended, now_s)
        assigned.sort(key=lambda pair: _urgency(*pair))
        return [_tracked(face, track, now_s) for face, track in assigned]

    def vote(
        self,
        tracked: Sequence[TrackedFace],
        judgements: Sequence[Judgement],
        captured_at: datetime,
        held: Collection[int] = (),
    ) -> list[Verdict]:
        """Count the votes of one frame: the frame that `associate` got last.

        Args:
            tracked: The faces that were judged, as `associate` returned them.
            judgements: One for each of `tracked`, in the same order.
            captured_at: Of the frame, by the wall clock.
            held: Tracks that get no verdict of with_mask in this frame; their votes count.

        Returns:
            The verdicts that follow from this frame; the nearest person's is the first.
        """
        by_number = {track.number: track for track in self._tracks}
        pairs = sorted(
            zip(tracked, judgements, strict=True), key=lambda pair: -pair[0].face.box.area
        )
        boxes = [(track.number, track.motion.box) for track in self._tracks]
        verdicts = []
        for each, judged in pairs:
            track = by_number.get(each.track)
            if track is None:
                continue
            track.last_vote_s, track.last_judgement = each.seen_s, judged
            track.votes += 1
            others = [box for number, box in boxes if number != track.number]
            track.tally.add(self._vote(track, each, judged, others))
            decided = self._decide(track, is_held=each.track in held)
            if decided is not None:
                verdicts.append(self._verdict(track, each, captured_at, *decided))
        return verdicts

    def _advance(self, time_s: float) -> float:
        """Return the time on the tracker's own clock, which goes by the steps between frames."""
        if self._frame_s is not None:
            self._now_s += max(0.0, time_s - self._frame_s)
        self._frame_s = time_s
        return self._now_s

    def _remember(self, ended: Iterable[Track], now_s: float) -> None:
        """Keep the people whose tracks ended, and forget those who were lost long ago."""
        for track in ended:
            if track.sighting is not None:
                _update(track.sighting, track)
                track.sighting.votes += track.votes
                self._lost.append(track.sighting)
        memory_s = self._memory_s
        self._lost = [
            sighting
            for sighting in self._lost
            if now_s - sighting.motion.last_s <= memory_s
            or any(t.sighting is None and _may_be(t, sighting, memory_s) for t in self._tracks)
        ]

    @property
    def _memory_s(self) -> float:
        return self._rules.lost_after_s + self._rules.cooldown_s

    def _vote(
        self, track: Track, seen: TrackedFace, judged: Judgement, others: Sequence[Box]
    ) -> Vote:
        box = seen.face.box
        sharpness = 0.0 if self._image is None else sharpness_of(self._image, box)
        track.best_sharpness = max(track.best_sharpness, sharpness)
        quality = quality_of(box, sharpness, track.best_sharpness, others)
        return Vote(judged.label, judged.confidence * quality, seen.face.score, seen.seen_s)

    def _decide(self, track: Track, *, is_held: bool) -> tuple[Label, float] | None:
        """Return the label of a new verdict with its share of the votes; None for no verdict."""
        if track.sighting is not None:
            return self._change(track, track.sighting, is_held=is_held)
        agreed = track.tally.agreed()
        if agreed is None or (is_held and agreed[0] is Label.WITH_MASK):
            return None
        # A person who is not in this frame may be lost already.
        gone = {
            id(other.sighting): other
            for other in self._tracks
            if other.sighting is not None and other.motion.last_s < self._now_s
        }
        candidates = list(self._lost)
        for other in gone.values():
            if other.sighting is not None:
                _update(other.sighting, other)
                candidates.append(other.sighting)
        near = [s for s in candidates if _may_be(track, s, self._memory_s)]
        own = [s for s in near if not self._fits_better(s, track)]
        best = min(own, key=lambda s: _difference(s, track), default=None)
        if best is not None and _difference(best, track) <= _limit(best, track):
            track.sighting = best
            best.tracks.add(track.number)
            # The person was away or hidden in between. The next event begins with the return.
            best.first_seen_s = track.first_seen_s
            if id(best) in gone:
                best.votes += gone[id(best)].votes
                self._tracks.remove(gone[id(best)])
            else:
                self._lost.remove(best)
            return self._change(track, best, is_held=is_held)
        if near and track.tally.span_s < DOUBT_S:
            return None
        self._sightings += 1
        track.sighting = Sighting(
            self._sightings, track.first_seen_s, track.motion, track.look, {track.number}
        )
        return agreed

    def _fits_better(self, sighting: Sighting, track: Track) -> bool:
        """Return whether another face without a verdict looks more like this person."""
        difference = _difference(sighting, track)
        return any(
            other is not track
            and other.sighting is None
            and other.looks > 0
            and _may_be(other, sighting, self._memory_s)
            and _difference(sighting, other) < difference
            for other in self._tracks
        )

    def _change(
        self, track: Track, sighting: Sighting, *, is_held: bool
    ) -> tuple[Label, float] | None:
        """Return the verdict that follows the sighting's verdicts so far; None for no verdict."""
        if not sighting.has_pass:
            if is_held:
                return None
            return track.tally.turned((Label.WITH_MASK,), LEAST_SPAN_S)
        if sighting.labels[-1] is Label.WITH_MASK:
            return track.tally.turned(REFUSALS, REMOVAL_S)
        return None

    def _verdict(
        self,
        track: Track,
        seen: TrackedFace,
        captured_at: datetime,
        label: Label,
        share: float,
    ) -> Verdict:
        sighting = track.sighting
        assert sighting is not None  # noqa: S101 (`_decide` sets it)
        sighting.labels.append(label)
        track.tally.clear()
        # The wall clock may have been set since the person came, so the first time is computed
        # from the last: the wire takes no event of negative length.
        length = timedelta(seconds=seen.seen_s - sighting.first_seen_s)
        return Verdict(
            label=label,
            confidence=min(share, 1.0),
            votes=min(sighting.votes + track.votes, _MAX_VOTES),
            first_seen_at=captured_at - length,
            occurred_at=captured_at,
            sighting=sighting.number,
            box=seen.face.box,
        )


def _tracked(face: Face, track: Track, now_s: float) -> TrackedFace:
    last = track.last_judgement
    known = None if last is None or is_due(track, now_s) else replace(last, face=face)
    return TrackedFace(face, track.number, now_s, known)


def _urgency(face: Face, track: Track) -> tuple[bool, float]:
    """Order the faces of a frame: the lowest needs a vote most."""
    waits = track.sighting is None and not track.tally.is_hopeless
    return not waits, -face.box.area if waits else track.last_vote_s


def _update(sighting: Sighting, track: Track) -> None:
    """Note where a person was seen last, and what the person looked like."""
    sighting.motion, sighting.look = track.motion, track.look or sighting.look


def _difference(sighting: Sighting, track: Track) -> float:
    """Return how different two people look; 0 where that is not known, so the place decides.

    The newest look counts beside the mean: somebody who stood behind another looks like both.
    """
    looks = [look for look in (track.look, track.newest_look) if look is not None]
    if sighting.look is None or not looks:
        return 0.0
    return min(sighting.look.distance(look) for look in looks)


def _limit(sighting: Sighting, track: Track) -> float:
    """Return how different one person may look: more where a walker is expected and walks on."""
    motion = sighting.motion
    expected = motion.box_at(track.first_seen_s)
    near = _apart(expected, track.first_box) <= _NEAR * math.sqrt(max(expected.area, 1.0))
    is_unsure = track.looks == 0 or motion.speed > WALKING
    return SAME + (ALLOWANCE if near and is_unsure else 0.0)


def _may_be(track: Track, sighting: Sighting, memory_s: float) -> bool:
    """Return whether a track began when and where a person may be who was lost before."""
    motion = sighting.motion
    gap_s = max(0.0, track.first_seen_s - motion.last_s)
    last, box = motion.last_box, track.first_box
    # Two who were seen in one frame are two people.
    if gap_s > memory_s or not track.beside.isdisjoint(sighting.tracks):
        return False
    if abs(math.log(max(box.area, 1.0) / max(last.area, 1.0))) / 2 > _MAX_GROWTH:
        return False
    away = min(_apart(last, box), _apart(motion.box_at(track.first_seen_s), box))
    looks_known = sighting.look is not None and track.look is not None
    reach = min(_NEAR + _WALK * gap_s, _FARTHEST) if looks_known else _NEAR
    return away <= reach * math.sqrt(max(last.area, 1.0))


def _apart(one: Box, other: Box) -> float:
    (x, y), (u, v) = one.centre, other.centre
    return math.hypot(x - u, y - v)
