"""Votes: the labels of one person's face in many frames, and what they agree on.

The rules, in the order in which they apply:

1. Each judged face is a vote for its label. It weighs the label's probability, less where the face
   is small or blurred, or where another face is in front of it.
2. A label has a full vote if it has at least `majority` of the weight of enough votes. Enough are
   `votes` votes from at least `LEAST_SPAN_S`: pictures that were taken at once show one mistake
   many times. At a low frame rate `SLOW_VOTES` votes are enough, if they are from the time in which
   `votes` votes are cast at 10 frames/s.
3. If no label has a full vote after `PATIENCE` times as many votes, the more probable refusal has
   it: a door in doubt stays shut.
4. The boxes' mean score must reach `certain_threshold`, too: an object that looks faintly like a
   face in every frame is part of the room. A low threshold to follow a face and a high one to be
   sure of it are hysteresis (Canny, A computational approach to edge detection, 1986, section 8).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

import cv2
import numpy as np

from cloud.contract import Label
from edge.values import Box, Image

PATIENCE = 3
"""Factor of the votes that are enough after which labels without a majority are a refusal."""

LEAST_SPAN_S = 0.25
"""Least seconds between the first and the last vote that count for a verdict."""

SLOW_VOTES = 3
"""Least number of votes at a low frame rate, where `votes` is not smaller."""

VOTE_S = 0.1
"""Seconds for which one vote stands: the settings count votes at 10 frames/s."""

CHANGE_SHARE = 0.8
"""Least share of a full vote that changes a verdict that was given: a few mistakes do not."""

REFUSALS = (Label.WITHOUT_MASK, Label.INCORRECT_MASK)

GOOD_SIZE = 40.0
"""Shorter side in pixels from which a face's size does not lower the weight of its vote."""

LEAST_QUALITY = 0.2
"""Least factor of a vote's weight: a bad picture counts little, but not nothing."""


@dataclass(frozen=True, slots=True)
class VotingRules:
    """The settings of the vote.

    Attributes:
        votes: Number of votes for a verdict.
        majority: Least share of the votes' weight for the label of a verdict, 0.5…1.
        cooldown_s: Seconds for which a person is remembered who is lost after a verdict.
        lost_after_s: Seconds without the face after which a track is over.
        certain_threshold: Least mean score of the boxes, 0…1 (`edge.faces.FaceDetector`).
    """

    votes: int = 5
    majority: float = 0.7
    cooldown_s: float = 3.0
    lost_after_s: float = 1.5
    certain_threshold: float = 0.0


@dataclass(frozen=True, slots=True)
class Vote:
    """One judged face.

    Attributes:
        label: Of the face.
        weight: 0…1.
        score: Of the box, 0…1.
        at_s: When the frame was taken, in seconds.
    """

    label: Label
    weight: float
    score: float
    at_s: float


class Tally:
    """The votes on one person since the last verdict on this person.

    Args:
        rules: Of the vote.
    """

    def __init__(self, rules: VotingRules) -> None:
        self._votes: deque[Vote] = deque()
        self.use(rules)

    def use(self, rules: VotingRules) -> None:
        """Use these rules from now on. The votes of before still count."""
        self._rules = rules
        self._votes = deque(self._votes, maxlen=PATIENCE * max(rules.votes, _SLOWEST))

    def __len__(self) -> int:
        return len(self._votes)

    @property
    def span_s(self) -> float:
        """Seconds between the first and the last vote."""
        return self._votes[-1].at_s - self._votes[0].at_s if self._votes else 0.0

    @property
    def is_hopeless(self) -> bool:
        """Whether there are so many votes that one more will hardly bring a verdict."""
        return len(self._votes) >= PATIENCE * self._rules.votes

    def add(self, vote: Vote) -> None:
        """Count a vote."""
        self._votes.append(vote)

    def clear(self) -> None:
        """Forget all votes."""
        self._votes.clear()

    def agreed(self) -> tuple[Label, float] | None:
        """Return the label of the full vote with its share of the weight; None if there is none."""
        if not self._is_enough(len(self._votes), self.span_s):
            return None
        if fmean(vote.score for vote in self._votes) < self._rules.certain_threshold:
            return None
        shares = shares_of(self._votes)
        label = max(shares, key=lambda candidate: shares[candidate])
        if shares[label] >= self._rules.majority:
            return label, shares[label]
        if len(self._votes) < PATIENCE * self._rules.votes:
            return None
        label = max(REFUSALS, key=lambda candidate: shares[candidate])
        return label, shares[label]

    def turned(self, to: Sequence[Label], span_s: float) -> tuple[Label, float] | None:
        """Look for a full vote among the newest votes that changes a verdict.

        Args:
            to: Labels that count together.
            span_s: Least seconds that the vote must last.

        Returns:
            The most frequent of `to`, and the share of all of `to`; None if there is no such vote.
        """
        newest: list[Vote] = []
        for vote in reversed(self._votes):
            newest.append(vote)
            lasted_s = newest[0].at_s - vote.at_s
            if lasted_s >= span_s and self._is_enough(len(newest), lasted_s):
                break
        else:
            return None
        if fmean(vote.score for vote in newest) < self._rules.certain_threshold:
            return None
        shares = shares_of(newest)
        share = sum(shares[label] for label in to)
        if share < max(CHANGE_SHARE, self._rules.majority):
            return None
        return max(to, key=lambda candidate: shares[candidate]), share

    def _is_enough(self, votes: int, span_s: float) -> bool:
        wanted = self._rules.votes
        if not votes:
            return False
        if votes >= wanted:
            return span_s >= min(LEAST_SPAN_S, (wanted - 1) * VOTE_S) - _ROUNDING_S
        return votes >= SLOW_VOTES and span_s >= max(wanted - 1, 0) * VOTE_S - _ROUNDING_S


_SLOWEST = 30
"""Votes that a tally keeps at least: a second at 30 frames/s."""

_ROUNDING_S = 1e-6


def shares_of(votes: Iterable[Vote]) -> dict[Label, float]:
    """Return each label's share of the weight; the sum is 1, or 0 if the votes have no weight."""
    weights = dict.fromkeys(Label, 0.0)
    for vote in votes:
        weights[vote.label] += vote.weight
    total = sum(weights.values())
    return {label: weight / total if total else 0.0 for label, weight in weights.items()}


def quality_of(box: Box, sharpness: float, best_sharpness: float, others: Iterable[Box]) -> float:
    """Return the factor of a vote's weight.

    The pose of the head does not count: the edge's own detector returns no landmarks, and the
    proportions of a box say more about the mask than about the pose.

    Args:
        box: Of the face.
        sharpness: Of the face in this frame (`sharpness_of`); 0 if it is not known.
        best_sharpness: The highest of this person so far.
        others: Boxes of the other faces, seen or predicted.

    Returns:
        A factor between `LEAST_QUALITY` and 1.
    """
    size = min(1.0, box.shorter_side / GOOD_SIZE)
    clear = min(1.0, 2 * sharpness / best_sharpness) if sharpness and best_sharpness else 1.0
    alone = 1.0 - max((box.cover(other) for other in others), default=0.0)
    return max(LEAST_QUALITY, size * clear * alone)


def sharpness_of(image: Image, box: Box) -> float:
    """Return the sharpness of a face: the mean square of its Laplacian over the variance.

    Blur removes fine detail and leaves the coarse; the ratio depends on neither light nor contrast
    (after Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, 2000).

    Args:
        image: The frame.
        box: Of the face.

    Returns:
        0 or more; 0 where the box holds no detail.
    """
    high, wide = image.shape[:2]
    left, right = max(0, int(box.x0)), min(wide, int(box.x1))
    top, bottom = max(0, int(box.y0)), min(high, int(box.y1))
    if right - left < 8 or bottom - top < 8:
        return 0.0
    # Every pixel of small faces, and each second or third of large ones: 32 to 64 rows. Green has
    # most of the light, and no conversion is needed.
    step = max(1, min(right - left, bottom - top) // 32)
    green = np.ascontiguousarray(image[top:bottom:step, left:right:step, 1])
    fine = cv2.Laplacian(green, cv2.CV_16S)
    spread = float(cv2.meanStdDev(green)[1][0, 0]) ** 2
    return cv2.norm(fine, cv2.NORM_L2SQR) / green.size / spread if spread > 1 else 0.0
