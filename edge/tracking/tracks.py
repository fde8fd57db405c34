"""Tracks: faces that are followed from frame to frame without a break.

A track does not go on where it is not sure that the next face is the same person: after a gap, and
where the appearance changes. `sightings.py` then finds out who the next track is.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from cloud.contract import Label
from edge.tracking.appearance import (
    ALLOWANCE,
    DIFFERENT,
    SAME,
    WALKING,
    Describe,
    Look,
)
from edge.tracking.association import (
    LOOK_WEIGHT,
    MAX_COVER,
    SURE_IOU,
    Reals,
    assign,
    costs_of,
    without_duplicates,
)
from edge.tracking.motion import Motion
from edge.tracking.votes import Tally, VotingRules
from edge.values import Box, Face, Image, Judgement

BREAK_S = 0.25
"""Seconds without the face after which the next face may be another person's."""

_BREAK_STEPS = 1.6
"""The same in steps between frames: at 4 frames/s and less, one step is no gap."""

FAINT_SCORE = 0.1
"""Least score of a box that keeps a track alive, as in ByteTrack (Zhang et al., 2022)."""

LOOK_EVERY_S = 0.2
"""Seconds after which a face is compared with the look of its track, though no other face and no
other track is near. Nobody takes another person's place within one frame."""

_ROUNDING_S = 1e-6

_TENTATIVE_FRAMES = 3
"""Frames from which a track may be missed for longer than a moment."""

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
        first_seen_s: When the person came, or came back.
        tracks: Numbers of the tracks.
        votes: Judged frames, without those of the present track.
        labels: Of the verdicts, in order.
        motion: When the person was seen last.
        look: When the person was seen last; None if it is not known.
    """

    number: int
    first_seen_s: float
    motion: Motion
    look: Look | None
    tracks: set[int]
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
        sure_s: When a box last reached the detector's threshold.
        frames: With a box that reached the detector's threshold.
        look: The mean look; None while it is not known.
        looks: Frames that the mean is of; 0 while the face was never seen alone.
        look_s: When the newest of them was taken.
        newest_look: Of the newest of these frames.
        votes: Judged frames.
        last_vote_s: When the face was judged last; -inf if never.
        last_judgement: The last one; None if the face was never judged.
        best_sharpness: The highest so far (`edge.tracking.votes.sharpness_of`).
        sighting: The person; None while there is no verdict.
        beside: Numbers of the tracks that had a face in the same frame, while there was no verdict.
    """

    number: int
    motion: Motion
    tally: Tally
    first_seen_s: float
    first_box: Box
    sure_s: float
    frames: int = 0
    look: Look | None = None
    looks: int = 0
    look_s: float = -math.inf
    newest_look: Look | None = None
    votes: int = 0
    last_vote_s: float = -math.inf
    last_judgement: Judgement | None = None
    best_sharpness: float = 0.0
    sighting: Sighting | None = None
    beside: set[int] = field(default_factory=set)


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
        self,
        faces: Iterable[Face],
        now_s: float,
        image: Image | None,
        rules: VotingRules,
        *,
        faint: Iterable[Face] = (),
        lost: Iterable[Look | None] = (),
    ) -> tuple[list[tuple[Face, Track]], list[Track]]:
        """Assign the faces of a frame to tracks.

        Args:
            faces: Of the frame.
            now_s: Time of the frame.
            image: The frame; None if it is not at hand, and places alone count.
            rules: Of the vote.
            faint: Boxes below the detector's threshold. They keep tracks alive, and begin none.
            lost: Looks of people who were here some seconds ago.

        Returns:
            (each face with its track, the tracks that ended).
        """
        self._measure_step(now_s)
        break_s = max(BREAK_S, _BREAK_STEPS * self._step_s)
        ended = []
        for track in list(self._tracks):
            if self._has_ended(track, now_s, break_s, rules):
                ended.append(track)
                self._tracks.remove(track)
            else:
                track.motion.predict(now_s)
        tracks, seen = list(self._tracks), without_duplicates(faces)
        boxes = [face.box for face in seen]
        crowded = _crowded(boxes)
        costs = costs_of([track.motion for track in tracks], boxes, now_s)
        looks: list[Look | None] = [None] * len(seen)
        if image is not None:
            needed = self._needs_look(tracks, costs, crowded, now_s)
            looks = [
                self._describe(image, box) if needs else None
                for box, needs in zip(boxes, needed, strict=True)
            ]
        for i, j in np.argwhere(np.isfinite(costs)).tolist():
            others = [t.look for t in tracks if t is not tracks[j]] + list(lost)
            costs[i, j] += self._look_cost(
                tracks[j], looks[i], others, now_s, break_s, crowded=crowded[i]
            )
        chosen = assign(seen, rules.certain_threshold, costs)
        taken = set(chosen.values())
        waiting = [t for j, t in enumerate(tracks) if j not in taken]
        # Who is missed in this frame stands near all the same.
        missed = [_grown(t.motion.box) for t in waiting if now_s - t.sure_s <= break_s]
        assigned = []
        for i, face in enumerate(seen):
            known = i in chosen
            track = tracks[chosen[i]] if known else self._begin(face.box, now_s, rules)
            look = looks[i]
            if not known and look is None and image is not None:
                look = self._describe(image, face.box)
            mixed = crowded[i] or any(_grown(face.box).overlaps(box) for box in missed)
            self._see(track, face.box, now_s, look, mixed=mixed)
            assigned.append((face, track))
        numbers = {track.number for _, track in assigned}
        for _, track in assigned:
            if track.sighting is None:
                track.beside |= numbers - {track.number}
        self._keep_alive(waiting, boxes, faint, now_s=now_s, image=image, break_s=break_s)
        return assigned, ended

    def remove(self, track: Track) -> None:
        """Follow this face no more."""
        self._tracks.remove(track)

    @staticmethod
    def _has_ended(track: Track, now_s: float, break_s: float, rules: VotingRules) -> bool:
        if now_s - track.sure_s > rules.lost_after_s:
            return True
        # A decided track whose look is known can be found again by `sightings.py`, so it ends
        # early, and the next person in this place does not inherit it.
        known = track.sighting is not None and track.look is not None
        # A box of noise is soon gone. Nobody who comes later takes its place (the tentative tracks
        # of SORT, Bewley et al., 2016).
        return (known or track.frames < _TENTATIVE_FRAMES) and now_s - track.motion.last_s > break_s

    def _needs_look(
        self, tracks: Sequence[Track], costs: Reals, crowded: Sequence[bool], now_s: float
    ) -> list[bool]:
        """Return for each face whether its place alone does not say who it is.

        The place says it where one track and one face fit each other closely and no other, the
        track's look is known, and it was compared a short time ago.
        """
        fits = np.isfinite(costs)
        of_face, of_track = fits.sum(axis=1), fits.sum(axis=0)
        needed = []
        for i, row in enumerate(costs):
            j = int(np.argmin(row)) if of_face[i] == 1 else -1
            needed.append(
                j < 0
                or crowded[i]
                or of_track[j] > 1
                or tracks[j].looks < _SETTLED_LOOKS
                or now_s - tracks[j].look_s >= LOOK_EVERY_S - _ROUNDING_S
                or now_s - tracks[j].motion.last_s > _BREAK_STEPS * self._step_s
            )
        return needed

    def _keep_alive(
        self,
        waiting: Sequence[Track],
        boxes: Sequence[Box],
        faint: Iterable[Face],
        *,
        now_s: float,
        image: Image | None,
        break_s: float,
    ) -> None:
        """Let tracks without a face in this frame go on with boxes below the threshold.

        Args:
            waiting: These tracks.
            boxes: Of the frame's faces; a faint box on one of them is the same face.
            faint: Faces below the detector's threshold.
            now_s: Time of the frame.
            image: The frame; None if it is not at hand.
            break_s: Seconds after which a track is broken.
        """
        unbroken = [t for t in waiting if now_s - t.motion.last_s <= break_s]
        if not unbroken:
            return
        free = [
            face
            for face in without_duplicates(face for face in faint if face.score >= FAINT_SCORE)
            if all(face.box.cover(box) < MAX_COVER for box in boxes)
        ]
        costs = costs_of([t.motion for t in unbroken], [f.box for f in free], now_s)
        for i, j in np.argwhere(np.isfinite(costs)).tolist():
            track, box = unbroken[j], free[i].box
            if track.motion.box.iou(box) < SURE_IOU:
                costs[i, j] = math.inf
            elif image is not None and track.looks >= _SETTLED_LOOKS:
                look = self._describe(image, box)
                costs[i, j] += self._look_cost(track, look, (), now_s, break_s)
        for i, j in assign(free, 0.0, costs).items():
            unbroken[j].motion.update(free[i].box, now_s, self._step_s)

    def _measure_step(self, now_s: float) -> None:
        if self._last_s is not None:
            step_s = min(now_s - self._last_s, 1.0)
            self._step_s += (0.2 if self._step_s else 1.0) * (step_s - self._step_s)
        self._last_s = now_s

    @staticmethod
    def _look_cost(
        track: Track,
        look: Look | None,
        others: Sequence[Look | None],
        now_s: float,
        break_s: float,
        *,
        crowded: bool = False,
    ) -> float:
        """Return what a look adds to the cost of a pair; infinite for another person.

        Args:
            track: That may go on with the face.
            look: Of the face; None if it is not known.
            others: Looks of the other people.
            now_s: Time of the frame.
            break_s: Seconds after which a track is broken.
            crowded: Whether another face is so near that the looks are mixed.
        """
        if look is None or track.look is None:
            return 0.0
        # Somebody else's face is not taken, however near it is. After a gap the look must speak for
        # the same person.
        away = track.look.distance(look)
        limit = SAME if now_s - track.motion.last_s > break_s else DIFFERENT
        if track.looks >= _SETTLED_LOOKS and away > limit:
            is_unsure = crowded or track.motion.speed > WALKING
            # Whoever looks more like another person is not the one whose place it is.
            nearest = min((look.distance(o) for o in others if o is not None), default=math.inf)
            if not is_unsure or away > limit + ALLOWANCE or nearest < min(away, SAME):
                return math.inf
        return LOOK_WEIGHT * away

    def _begin(self, box: Box, now_s: float, rules: VotingRules) -> Track:
        self._count += 1
        track = Track(self._count, Motion(box, now_s), Tally(rules), now_s, box, now_s)
        self._tracks.append(track)
        return track

    def _see(self, track: Track, box: Box, now_s: float, look: Look | None, *, mixed: bool) -> None:
        """Take in a face of a track."""
        track.motion.update(box, now_s, self._step_s)
        track.sure_s = now_s
        track.frames += 1
        if look is None:
            return
        if mixed:
            # It is better than nothing until the face is seen alone.
            track.look = track.look or look
            return
        track.looks += 1
        track.newest_look = look
        share = max(1 / track.looks, min(1.0, (now_s - track.look_s) / _LOOK_MEMORY_S))
        track.look = look if track.look is None else track.look.mixed(look, share)
        track.look_s = now_s


def _crowded(boxes: Sequence[Box]) -> list[bool]:
    """Return for each face whether another is so near that their looks are mixed."""
    wide = [_grown(box) for box in boxes]
    return [
        any(i != j and one.overlaps(other) for j, other in enumerate(wide))
        for i, one in enumerate(wide)
    ]


def _grown(box: Box) -> Box:
    x, y = box.width * _REACH, box.height * _REACH
    return Box(box.x0 - x, box.y0 - y, box.x1 + x, box.y1 + y)
