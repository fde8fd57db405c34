"""Tracks: faces that are followed from frame to frame without a break.

A track ends where it is not sure that the next face is the same person: after a gap, and where the
appearance changes. `sightings.py` then finds out whether the next track is the same person.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cloud.contract import Label
from edge.tracking.appearance import DIFFERENT, SAME, Describe, Look
from edge.tracking.association import assign, cost_of, without_duplicates
from edge.tracking.motion import Motion
from edge.tracking.votes import Tally, VotingRules
from edge.values import Box, Face, Image

BREAK_S = 0.25
"""Seconds without the face after which the next face may be another person's."""

_BREAK_STEPS = 1.6
"""The same in steps between frames: at 4 frames/s and less, one step is no gap."""

_STRANGE_S = 0.2
"""Seconds for which a face must look like another person's before its track ends."""

_STRANGE_FRAMES = 3
"""Frames for which it must do so."""

_SETTLED_LOOKS = 3
"""Frames from which the mean look of a track is known."""

_LOOK_MEMORY_S = 2.0
"""Time constant of the mean look in seconds: it follows the light."""

_REACH = 0.15
"""Share of a box by which it grows on each side before it is compared with another: hair and
shoulders reach so far. Where two such boxes overlap, the looks of both people are mixed."""


@dataclass(slots=True)
class Sighting:
    """One person in front of the gate, over one track or several.

    Attributes:
        number: Within this run.
        first_seen_s: When the person came.
        votes: Judged frames, without those of the present track.
        labels: Of the verdicts, in order.
        motion: When the person was seen last.
        look: When the person was seen last; None if it is not known.
    """

    number: int
    first_seen_s: float
    motion: Motion
    look: Look | None
    votes: int = 0
    labels: list[Label] = field(default_factory=list)

    @property
    def has_pass(self) -> bool:
        """Whether one of the verdicts admitted the person."""
        return Label.WITH_MASK in self.labels


@dataclass(slots=True)
class Track:
    """A face that is followed.

    Attributes:
        number: Within this run.
        motion: Of the face.
        tally: The votes.
        first_seen_s: When the track began.
        first_box: Where it began.
        look: The mean look; None while it is not known.
        looks: Frames that the mean is of.
        votes: Judged frames.
        last_vote_s: When the face was judged last; -inf if never.
        best_sharpness: The highest so far (`edge.tracking.votes.sharpness_of`).
        strange_since_s: Since when the face looks like another person's; None while it does not.
        strange_frames: Frames since then.
        sighting: The person; None while there is no verdict.
    """

    number: int
    motion: Motion
    tally: Tally
    first_seen_s: float
    first_box: Box
    look: Look | None = None
    looks: int = 0
    votes: int = 0
    last_vote_s: float = -math.inf
    best_sharpness: float = 0.0
    strange_since_s: float | None = None
    strange_frames: int = 0
    sighting: Sighting | None = None


class TrackList:
    """The tracks of one camera.

    Args:
        describe: Returns the look of a face.
    """

    def __init__(self, describe: Describe) -> None:
        self._describe = describe
        self._tracks: list[Track] = []
        self._count = 0
        self._step_s = 0.0
        self._last_s: float | None = None

    def __iter__(self) -> Iterator[Track]:
        return iter(self._tracks)

    def __len__(self) -> int:
        return len(self._tracks)

    def follow(
        self, faces: Iterable[Face], now_s: float, image: Image | None, rules: VotingRules
    ) -> tuple[list[tuple[Face, Track]], list[Track]]:
        """Assign the faces of a frame to tracks.

        Args:
            faces: Of the frame.
            now_s: Time of the frame.
            image: The frame; None if it is not at hand, and places alone count.
            rules: Of the vote.

        Returns:
            (each face with its track, the tracks that ended).
        """
        self._measure_step(now_s)
        break_s = max(BREAK_S, _BREAK_STEPS * self._step_s)
        ended = []
        for track in list(self._tracks):
            # A decided track whose look is known can be found again by `sightings.py`, so it ends
            # early, and the next person in this place does not inherit it.
            known = track.sighting is not None and track.look is not None
            if now_s - track.motion.last_s > (break_s if known else rules.lost_after_s):
                ended.append(track)
                self._tracks.remove(track)
            else:
                track.motion.predict(now_s)
        kept = without_duplicates(faces)
        looks = [None if image is None else self._describe(image, face.box) for face in kept]
        costs = [
            [self._cost(track, face.box, look, now_s, break_s) for track in self._tracks]
            for face, look in zip(kept, looks, strict=True)
        ]
        chosen = assign(kept, rules.certain_threshold, costs)
        before = list(self._tracks)
        assigned = []
        for i, (face, look) in enumerate(zip(kept, looks, strict=True)):
            others = [other.box for other in kept if other is not face]
            others += [t.motion.box for j, t in enumerate(before) if j not in chosen.values()]
            clear = None if _is_crowded(face.box, others) else look
            track = before[chosen[i]] if i in chosen else self._begin(face.box, now_s, rules)
            if self._see(track, face.box, clear, now_s):
                ended.append(track)
                self._tracks.remove(track)
                track = self._begin(face.box, now_s, rules)
                self._see(track, face.box, clear, now_s)
            assigned.append((face, track))
        return assigned, ended

    def _measure_step(self, now_s: float) -> None:
        if self._last_s is not None:
            step_s = min(now_s - self._last_s, 1.0)
            self._step_s += (0.2 if self._step_s else 1.0) * (step_s - self._step_s)
        self._last_s = now_s

    def _cost(
        self, track: Track, box: Box, look: Look | None, now_s: float, break_s: float
    ) -> float:
        was_away = now_s - track.motion.last_s > break_s
        if was_away and look and track.look and track.look.distance(look) > SAME:
            return math.inf
        return cost_of(track.motion, track.look, box, look, now_s)

    def _begin(self, box: Box, now_s: float, rules: VotingRules) -> Track:
        self._count += 1
        track = Track(self._count, Motion(box, now_s), Tally(rules), now_s, box)
        self._tracks.append(track)
        return track

    def _see(self, track: Track, box: Box, look: Look | None, now_s: float) -> bool:
        """Take in a face of a track. Returns whether the track is over: somebody else is there."""
        step_s = now_s - track.motion.last_s
        track.motion.update(box, now_s, self._step_s)
        if look is None:
            return False
        if track.look is None:
            track.look, track.looks = look, 1
            return False
        if track.looks >= _SETTLED_LOOKS and track.look.distance(look) > DIFFERENT:
            if track.strange_since_s is None:
                track.strange_since_s, track.strange_frames = now_s, 0
            track.strange_frames += 1
            lasted_s = now_s - track.strange_since_s
            return track.strange_frames >= _STRANGE_FRAMES and lasted_s >= _STRANGE_S
        track.strange_since_s = None
        track.looks += 1
        share = max(1 / track.looks, min(1.0, step_s / _LOOK_MEMORY_S))
        track.look = track.look.mixed(look, share)
        return False


def _is_crowded(box: Box, others: Sequence[Box]) -> bool:
    wide = _grown(box)
    return any(wide.iou(_grown(other)) > 0 for other in others)


def _grown(box: Box) -> Box:
    x, y = box.width * _REACH, box.height * _REACH
    return Box(box.x0 - x, box.y0 - y, box.x1 + x, box.y1 + y)
