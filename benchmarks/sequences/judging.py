"""Judging: the edge's models on a clip's frames, once; and the verdicts of its tracker on these.

Models take long and trackers do not. What the models said of each frame can be kept in a file, so
that another tracker, or another rule of the vote, is tried on the same frames in seconds.
"""

import base64
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.sequences.camera import decoded
from benchmarks.sequences.clips import FPS, Clip, Face
from cloud.contract import Label
from edge.errors import SourceError
from edge.loaded_models import LoadedModels
from edge.settings import Stills
from edge.stills.check import StillsCheck
from edge.tracking.sightings import SightingTracker
from edge.tracking.votes import VotingRules
from edge.values import Box, Judgement, Verdict
from edge.values import Face as FoundFace

_START = datetime(2026, 1, 1, tzinfo=UTC)

FAINT_SCORE = 0.05
"""Least score of a box that is kept: lower than the tracker asks for, so that it may be tuned."""

MAX_FACES = 4
"""Faces that are judged in one frame: the default of EDGE_MAX_FACES."""


@dataclass(frozen=True, slots=True)
class JudgedFrame:
    """One frame.

    Attributes:
        judgements: What the models said of each face that is large enough.
        faces: The truth.
        too_small: The other faces that the detector found.
        faint: Boxes below the detector's threshold.
        jpeg: The picture as the camera sent it.
    """

    judgements: list[Judgement]
    faces: list[Face]
    too_small: list[FoundFace] = field(default_factory=list)
    faint: list[FoundFace] = field(default_factory=list)
    jpeg: bytes = b""


@dataclass(frozen=True, slots=True)
class JudgedClip:
    """A clip as the models saw it.

    Attributes:
        kind: Of the clip.
        variant: Of the clip.
        real: Of each subject, whether it is a person.
        counts: Of each subject, whether a verdict is to be given.
        certain_threshold: Of the detector.
        frames: By their place in the clip; `clips.FPS` a second, where none was left out.
    """

    kind: str
    variant: str
    real: list[bool]
    counts: list[bool]
    certain_threshold: float
    frames: dict[int, JudgedFrame]


def judge(clip: Clip, models: LoadedModels, rates: Collection[int]) -> JudgedClip:
    """Draw a clip, and let the edge's models judge each face of each frame.

    Args:
        clip: What is drawn.
        models: Of the edge.
        rates: Frames a second that trackers will get.

    Returns:
        What they said, beside the truth.

    Raises:
        EdgeError: A model failed.
    """
    frames = {}
    for frame in clip.frames(rates):
        image = frame.image
        found = models.detector.detect(image, min_score=FAINT_SCORE)
        faces = [face for face in found if face.score >= models.detector.threshold]
        faint = [face for face in found if face.score < models.detector.threshold]
        large = [face for face in faces if models.classifier.can_judge(face)]
        small = [face for face in faces if not models.classifier.can_judge(face)]
        judgements = models.classifier.judge(image, large)
        frames[frame.place] = JudgedFrame(judgements, frame.faces, small, faint, frame.jpeg)
    return JudgedClip(
        clip.kind,
        clip.variant,
        [s.real for s in clip.subjects],
        [s.counts for s in clip.subjects],
        models.detector.certain_threshold,
        frames,
    )


def verdicts(
    clip: JudgedClip, rate: int, stills: Stills = Stills.MOTIONLESS
) -> list[tuple[int, Verdict]]:
    """Follow, suspect stills, and count votes as `python -m edge run` does.

    Args:
        clip: The judged frames.
        rate: Frames a second that the tracker gets, one of `clips.RATES`.
        stills: Which faces are suspected to be pictures, as EDGE_STILLS.

    Returns:
        (place of the frame in the clip, verdict), in the order of time.
    """
    sightings = SightingTracker(VotingRules(certain_threshold=clip.certain_threshold))
    check = StillsCheck(stills)
    settled = []
    for n, frame in clip.frames.items():
        if n % (FPS // rate):
            continue
        said = {id(judged.face): judged for judged in frame.judgements}
        faces = [judged.face for judged in frame.judgements] + frame.too_small
        image = decoded(frame.jpeg)
        followed = sightings.associate(faces, n / FPS, image, frame.faint)
        due = [each for each in followed if each.known is None and id(each.face) in said]
        voters = due[:MAX_FACES]
        judgements = [said[id(each.face)] for each in voters]
        at = _START + timedelta(seconds=n / FPS)
        held = check.watch(image, followed)
        settled += [(n, verdict) for verdict in sightings.vote(voters, judgements, at, held)]
    return settled


def keeping(clips: Iterable[JudgedClip], file: Path) -> Iterator[JudgedClip]:
    """Write judged clips as JSON lines, each as soon as it is there.

    Yields:
        Each clip, once it is written.

    Raises:
        SourceError: The file cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", encoding="utf-8") as out:
            for clip in clips:
                out.write(json.dumps(_as_json(clip), separators=(",", ":")) + "\n")
                out.flush()
                yield clip
    except OSError as error:
        raise SourceError(f"{file} cannot be written ({error}); choose another --keep") from error


def kept(file: Path) -> Iterator[JudgedClip]:
    """Read what `keeping` wrote.

    Yields:
        Each clip.

    Raises:
        SourceError: The file cannot be read, or is of another program.
    """
    try:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                yield _from_json(json.loads(line))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{file} is no file of judged clips; write one with --keep") from error


def _as_json(clip: JudgedClip) -> dict[str, object]:
    return {
        "kind": clip.kind,
        "variant": clip.variant,
        "real": clip.real,
        "counts": clip.counts,
        "certain_threshold": clip.certain_threshold,
        "frames": [
            {
                "place": place,
                "judged": [
                    [
                        [round(side, 2) for side in _sides(j.face.box)],
                        round(j.face.score, 4),
                        j.label,
                        [round(j.probabilities[label], 4) for label in Label],
                    ]
                    for j in frame.judgements
                ],
                "small": _boxes_as_json(frame.too_small),
                "faint": _boxes_as_json(frame.faint),
                "jpeg": base64.b64encode(frame.jpeg).decode(),
                "truth": [
                    [face.subject, [round(side, 2) for side in _sides(face.box)], face.label]
                    for face in frame.faces
                ],
            }
            for place, frame in clip.frames.items()
        ],
    }


def _boxes_as_json(faces: Iterable[FoundFace]) -> list[tuple[list[float], float]]:
    return [([round(side, 2) for side in _sides(face.box)], round(face.score, 4)) for face in faces]


def _sides(box: Box) -> tuple[float, float, float, float]:
    return box.x0, box.y0, box.x1, box.y1


def _from_json(told: dict[str, object]) -> JudgedClip:
    content: dict[str, object] = dict(told)
    frames = {
        frame["place"]: JudgedFrame(
            [
                Judgement(
                    FoundFace(Box(*sides), score),
                    Label(label),
                    dict(zip(Label, probabilities, strict=True)),
                )
                for sides, score, label, probabilities in frame["judged"]
            ],
            [
                Face(subject, Box(*sides), None if label is None else Label(label))
                for subject, sides, label in frame["truth"]
            ],
            [FoundFace(Box(*sides), score) for sides, score in frame["small"]],
            [FoundFace(Box(*sides), score) for sides, score in frame["faint"]],
            base64.b64decode(frame["jpeg"]),
        )
        for frame in content.pop("frames")  # type: ignore[attr-defined]
    }
    return JudgedClip(**content, frames=frames)  # type: ignore[arg-type]
