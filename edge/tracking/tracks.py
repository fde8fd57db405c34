"""Tracks: faces that are followed from frame to frame without a break.

A track does not go on where it is not sure that the next face is the same person: after a gap, and
where the appearance changes. `sightings.py` then finds out who the next track is.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from cloud.contract import Label
from edge.tracking.appearance import (
    DIFFERENT,
    SAME,
    WALKING,
    WALKING_ALLOWANCE,
    Describe,
    Look,
)
from edge.tracking.association import LOOK_WEIGHT, assign, cost_of, without_duplicates
from edge.tracking.motion import Motion
from edge.tracking.votes import Tally, VotingRules
from edge.values import Box, Face, Image, Judgement

BREAK_S = 0.25
"""Seconds without the face after which the next face may be another person's."""

_BREAK_STEPS = 1.6
"""The same in steps between frames: at 4 frames/s and less, one step is no gap."""

_SETTLED_LOOKS = 3
"""Frames from which the mean look of a track is known."""

_DIFFERENT_IN_CROWD = DIFFERENT + 1.5
"""The same as `DIFFERENT` where another face is so near that the looks are mixed."""

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
        first_seen_s: When the person came, or came back.
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
        newest_look: Of the newest of these frames.
        votes: Judged frames.
        last_vote_s: When the face was judged last; -inf if never.
        last_judgement: The last one; None if the face was never judged.
        best_sharpness: The highest so far (`edge.tracking.votes.sharpness_of`).
        sighting: The person; None while there is no verdict.
    """

    number: int
    motion: Motion
    tally: Tally
    first_seen_s: float
    first_box: Box
    look: Look | None = None
    looks: int = 0
    newest_look: Look | None = None
    votes: int = 0
    last_vote_s: float = -math.inf
    last_judgement: Judgement | None = None
    best_sharpness: float = 0.0
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
        seen = self._described(without_duplicates(faces), image)
        costs = [
            [self._cost(track, each, now_s, break_s) for track in self._tracks] for each in seen
        ]
        chosen = assign([each.face for each in seen], rules.certain_threshold, costs)
        before = list(self._tracks)
        assigned = []
        for i, each in enumerate(seen):
            box = each.face.box
            track = before[chosen[i]] if i in chosen else self._begin(box, now_s, rules)
            self._see(track, each, now_s)
            assigned.append((each.face, track))
        return assigned, ended

    def remove(self, track: Track) -> None:
        """Follow this face no more."""
        self._tracks.remove(track)

    def _described(self, faces: Sequence[Face], image: Image | None) -> list["_Seen"]:
        seen = []
        for face in faces:
            wide = _grown(face.box)
            crowded = any(wide.iou(_grown(o.box)) > 0 for o in faces if o is not face)
            look = None if image is None else self._describe(image, face.box)
            seen.append(_Seen(face, look, crowded))
        return seen

    def _measure_step(self, now_s: float) -> None:
        if self._last_s is not None:
            step_s = min(now_s - self._last_s, 1.0)
            self._step_s += (0.2 if self._step_s else 1.0) * (step_s - self._step_s)
        self._last_s = now_s

    def _cost(self, track: Track, seen: "_Seen", now_s: float, break_s: float) -> float:
        cost = cost_of(track.motion, seen.face.box, now_s)
        if cost == math.inf or seen.look is None or track.look is None:
            return cost
        # Somebody else's face is not taken, however near it is. After a gap the look must speak for
        # the same person.
        away = track.look.distance(seen.look)
        limit = _DIFFERENT_IN_CROWD if seen.crowded else DIFFERENT
        if now_s - track.motion.last_s > break_s:
            limit = SAME
        if track.motion.speed > WALKING:
            limit += WALKING_ALLOWANCE
        if track.looks >= _SETTLED_LOOKS and away > limit:
            return math.inf
        return cost + LOOK_WEIGHT * away

    def _begin(self, box: Box, now_s: float, rules: VotingRules) -> Track:
        self._count += 1
        track = Track(self._count, Motion(box, now_s), Tally(rules), now_s, box)
        self._tracks.append(track)
        return track

    def _see(self, track: Track, seen: "_Seen", now_s: float) -> None:
        """Take in a face of a track."""
        step_s = now_s - track.motion.last_s
        track.motion.update(seen.face.box, now_s, self._step_s)
        if seen.look is None or seen.crowded:
            return
        track.looks += 1
        track.newest_look = seen.look
        share = max(1 / track.looks, min(1.0, step_s / _LOOK_MEMORY_S))
        track.look = seen.look if track.look is None else track.look.mixed(seen.look, share)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A face of a frame, its look, and whether other faces are so near that they mix with it."""

    face: Face
    look: Look | None
    crowded: bool


def _grown(box: Box) -> Box:
    x, y = box.width * _REACH, box.height * _REACH
    return Box(box.x0 - x, box.y0 - y, box.x1 + x, box.y1 + y)
