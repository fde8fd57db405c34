"""Scoring: verdicts beside the truth.

A sighting is one person with or without a mask; who puts a mask on in front of the door is two. A
picture of a person is a sighting that must not get a pass, and needs no verdict.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.sequences.clips import FPS
from benchmarks.sequences.judging import JudgedClip
from cloud.contract import Label
from edge.values import Verdict

ON_FACE = 0.25
"""IoU from which a verdict is about a face."""

LAG_S = 0.7
"""Seconds after a change for which a verdict may still be about what was worn before."""


@dataclass(slots=True)
class Sighting:
    """What is to be said of one person, and what was.

    Attributes:
        label: What is worn.
        real: Whether it is a person.
        seen_at: Frame that first shows it.
        verdicts: (frame, verdict) about it.
    """

    label: Label
    real: bool
    seen_at: int
    verdicts: list[tuple[int, Verdict]] = field(default_factory=list)

    @property
    def may_pass(self) -> bool:
        """Whether a pass is right."""
        return self.real and self.label is Label.WITH_MASK


@dataclass(slots=True)
class Tally:
    """Counts of one kind.

    Attributes:
        sightings: That were to be decided.
        right: Of them, with verdicts that are all right; of a picture, without a pass.
        wrong: With a verdict that is wrong.
        missing: Without a verdict.
        double: Verdicts that repeat another about the same sighting.
        second_passes: Passes that repeat another for the same sighting.
        false_admits: Sightings that got a pass and should not.
        may_not_pass: Sightings that should not get a pass.
        false_refusals: Sightings that should get a pass and were refused only.
        may_pass: Sightings that should get a pass.
        strays: Verdicts about no face that is there.
        delays_s: Seconds from the first frame of a sighting to its verdict.
    """

    sightings: int = 0
    right: int = 0
    wrong: int = 0
    missing: int = 0
    double: int = 0
    second_passes: int = 0
    false_admits: int = 0
    may_not_pass: int = 0
    false_refusals: int = 0
    may_pass: int = 0
    strays: int = 0
    delays_s: list[float] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Add the counts of another."""
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.delays_s += other.delays_s

    def delay_s(self, percent: float) -> float | None:
        """Return a percentile of the seconds to a verdict; None without a verdict."""
        return float(np.percentile(self.delays_s, percent)) if self.delays_s else None

    def as_json(self) -> dict[str, float | int | None]:
        """For machines."""
        return {
            **{name: getattr(self, name) for name in _COUNTS},
            "right_share": self.right / self.sightings if self.sightings else None,
            "delay_s_p50": self.delay_s(50),
            "delay_s_p95": self.delay_s(95),
        }


_COUNTS = tuple(f for f in Tally.__slots__ if f != "delays_s")


def sightings_of(clip: JudgedClip) -> list[list[Sighting]]:
    """Return what is to be said of each subject, in the order of time."""
    found: list[list[Sighting]] = [[] for _ in clip.real]
    for n, frame in clip.frames.items():
        for face in frame.faces:
            if face.label is None or not clip.counts[face.subject]:
                continue
            mine = found[face.subject]
            if not mine or mine[-1].label is not face.label:
                mine.append(Sighting(face.label, clip.real[face.subject], n))
    return found


def score(clip: JudgedClip, given: Iterable[tuple[int, Verdict]]) -> Tally:
    """Compare verdicts with the truth.

    Args:
        clip: The clip.
        given: (place of the frame, verdict).

    Returns:
        The counts.
    """
    subjects = sightings_of(clip)
    tally = Tally()
    for n, verdict in given:
        subject = _about(clip, n, verdict)
        if subject is None or not subjects[subject]:
            tally.strays += 1
        else:
            _sighting_at(subjects[subject], n, verdict).verdicts.append((n, verdict))
    for sighting in (s for mine in subjects for s in mine):
        tally.add(_tally(sighting))
    return tally


def _about(clip: JudgedClip, n: int, verdict: Verdict) -> int | None:
    """Return the subject that a verdict is about."""
    best = max(
        clip.frames[n].faces,
        key=lambda face: (face.label is not None, face.box.iou(verdict.box)),
        default=None,
    )
    faces = [f for f in clip.frames[n].faces if f.box.iou(verdict.box) >= ON_FACE]
    if best is None or not faces:
        return None
    # Of two faces on one spot, the one that can be seen.
    return max(faces, key=lambda f: (f.label is not None, f.box.iou(verdict.box))).subject


def _sighting_at(mine: Sequence[Sighting], n: int, verdict: Verdict) -> Sighting:
    begun = [s for s in mine if s.seen_at <= n] or [mine[0]]
    last = begun[-1]
    if len(begun) > 1 and verdict.admits != last.may_pass and n - last.seen_at < LAG_S * FPS:
        before = begun[-2]
        if verdict.admits == before.may_pass:
            return before
    return last


def _tally(sighting: Sighting) -> Tally:
    labels = [v.label for _, v in sighting.verdicts]
    passes = sum(label is Label.WITH_MASK for label in labels)
    is_wrong = any((label is Label.WITH_MASK) != sighting.may_pass for label in labels)
    tally = Tally(
        sightings=1,
        may_pass=int(sighting.may_pass),
        may_not_pass=int(not sighting.may_pass),
        false_admits=int(not sighting.may_pass and passes > 0),
        false_refusals=int(sighting.may_pass and passes == 0 and bool(labels)),
        second_passes=max(0, passes - 1),
        double=sum(labels[:k].count(label) > 0 for k, label in enumerate(labels)),
    )
    if not sighting.real:
        tally.wrong, tally.right = int(passes > 0), int(passes == 0)
        return tally
    tally.wrong = int(is_wrong)
    tally.missing = int(not labels)
    tally.right = int(bool(labels) and not is_wrong)
    if labels:
        tally.delays_s.append((sighting.verdicts[0][0] - sighting.seen_at) / FPS)
    return tally
